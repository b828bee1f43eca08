//! Every round and every summary as JSON, so that each printed number can be recomputed.

use std::fs::File;
use std::io::{Write, stdout};
use std::path::Path;

use serde::Serialize;

use super::{Case, Environment};
use crate::Result;

/// Raised when a field changes its meaning.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    environment: &'a Environment,
    cases: &'a [Case],
}

/// Writes to the file, or to standard output for `-`.
pub(crate) fn write(path: &Path, environment: &Environment, cases: &[Case]) -> Result<()> {
    let mut out: Box<dyn Write> =
        if path == Path::new("-") { Box::new(stdout()) } else { Box::new(File::create(path)?) };
    serde_json::to_writer_pretty(&mut out, &Document { schema: SCHEMA, environment, cases })?;
    writeln!(out)?;
    Ok(())
}
