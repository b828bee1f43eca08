//! The operations that a program begins, each with what must be true of its result.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use uring_runtime::buf::{BufResult, IoBuf};
use uring_runtime::fs::File;
use uring_runtime::io::{Acceptor, Receiver, Sender, Socket};

use super::super::ledger::Tracked;
use super::super::shared::byte_at;
use super::{Connection, FUTURES_MAX, Future, Program};

const SOCKETS_MAX: usize = 3;

impl Program {
    /// Begins one of the operations.
    pub(super) fn begin(&mut self, kind: u8) {
        if self.futures.len() == FUTURES_MAX {
            return;
        }
        let future = match kind {
            0 | 1 => self.receive(),
            2 | 3 => self.read_socket(),
            4 | 5 => self.write_socket(),
            6 => self.accept(),
            7 => self.read_file(),
            8 => self.write_file(),
            _ => self.other(),
        };
        self.futures.extend(future);
    }

    fn descriptor(&self) -> Option<OwnedFd> {
        self.shared.ledger.descriptor()
    }

    /// One of the connections, made when it is not there.
    fn connection(&mut self) -> Option<&Connection> {
        let place = self.input.below(SOCKETS_MAX);
        if place >= self.connections.len() {
            let fd = self.descriptor()?;
            let raw = fd.as_raw_fd();
            let socket = Socket::from_owned(fd);
            let receiver = Rc::new(Receiver::new(socket.fd().clone()));
            let sender = Rc::new(Sender::new(socket.fd().clone()));
            self.connections.push(Connection { fd: raw, receiver, sender });
        }
        self.connections.get(place.min(self.connections.len() - 1))
    }

    fn file(&mut self) -> Option<Rc<File>> {
        if self.file.is_none() {
            self.file = Some(Rc::new(File::from_std(self.descriptor()?.into())));
        }
        self.file.clone()
    }

    fn receive(&mut self) -> Option<Future> {
        let shared = Rc::clone(&self.shared);
        let &Connection { fd, ref receiver, .. } = self.connection()?;
        let receiver = Rc::clone(receiver);
        Some(Box::pin(async move {
            if let Ok(bytes) = receiver.recv().await {
                shared.receive(fd, bytes);
            }
        }))
    }

    /// Reads into a buffer of the pool's size or a larger one, some bytes or as many as fit.
    fn read_socket(&mut self) -> Option<Future> {
        let (shared, kind) = (Rc::clone(&self.shared), self.input.byte());
        let room = if kind & 1 == 0 { usize::from(kind >> 2) } else { 65 + usize::from(kind) };
        let &Connection { fd, ref receiver, .. } = self.connection()?;
        let (receiver, buf) = (Rc::clone(receiver), Tracked::room(&shared.ledger, room));
        Some(Box::pin(async move {
            let BufResult(result, buf) = if kind & 2 == 0 {
                receiver.read(buf).await
            } else {
                let BufResult(result, buf) = receiver.read_exact(buf).await;
                BufResult(result.map(|()| room), buf)
            };
            if result.is_ok_and(|bytes| bytes != buf.init_bytes().len()) {
                shared.ledger.wrong("a read gives another count than it has read".to_owned());
            }
            shared.read(fd, buf.init_bytes());
        }))
    }

    /// Writes bytes of its own or received ones, some or all.
    fn write_socket(&mut self) -> Option<Future> {
        let (shared, kind) = (Rc::clone(&self.shared), self.input.byte());
        let echo = (kind & 1 != 0).then(|| shared.take(usize::from(kind >> 4))).flatten();
        let sender = Rc::clone(&self.connection()?.sender);
        let buf = match echo {
            Some(bytes) => Tracked::pooled(&shared.ledger, bytes),
            None => Tracked::numbered(&shared.ledger, usize::from(kind >> 1)),
        };
        let (id, bytes) = (buf.id, buf.bytes_init());
        Some(Box::pin(async move {
            let result = if kind & 2 == 0 {
                sender.write(buf).await.0
            } else {
                sender.write_all(buf).await.0.map(|()| bytes)
            };
            if result.is_ok_and(|bytes| bytes != shared.ledger.taken(id)) {
                shared.ledger.wrong(format!("a write of buffer {id} says something else than was sent"));
            }
        }))
    }

    fn accept(&mut self) -> Option<Future> {
        if self.acceptor.is_none() {
            let socket = Socket::from_owned(self.descriptor()?);
            self.acceptor = Some(Rc::new(Acceptor::new(socket.fd().clone())));
        }
        let acceptor = self.acceptor.clone()?;
        Some(Box::pin(async move { drop(acceptor.accept().await) }))
    }

    fn read_file(&mut self) -> Option<Future> {
        let (shared, kind, offset) = (Rc::clone(&self.shared), self.input.byte(), self.input.byte());
        let (file, buf) = (self.file()?, Tracked::room(&shared.ledger, usize::from(kind)));
        Some(Box::pin(async move {
            let buf = if kind & 1 == 0 {
                file.read_at(buf, offset.into()).await.1
            } else {
                file.read_exact_at(buf, offset.into()).await.1
            };
            let is_right = |(at, byte): (usize, &u8)| *byte == byte_at(usize::from(offset) + at);
            if !buf.init_bytes().iter().enumerate().all(is_right) {
                shared.ledger.wrong("a read of a file gives other bytes".to_owned());
            }
        }))
    }

    fn write_file(&mut self) -> Option<Future> {
        let (shared, kind) = (Rc::clone(&self.shared), self.input.byte());
        let (file, buf) = (self.file()?, Tracked::numbered(&shared.ledger, usize::from(kind)));
        let (id, bytes) = (buf.id, buf.bytes_init());
        Some(Box::pin(async move {
            let result = if kind & 1 == 0 {
                file.write_at(buf, 0).await.0
            } else {
                file.write_all_at(buf, 0).await.0.map(|()| bytes)
            };
            if result.is_ok_and(|bytes| bytes != shared.ledger.taken(id)) {
                shared.ledger.wrong(format!("a write of buffer {id} says something else than was written"));
            }
        }))
    }

    fn other(&mut self) -> Option<Future> {
        match self.input.below(6) {
            0 => Some(Box::pin(async move { drop(File::open("/no/such/file").await) })),
            1 => {
                let file = self.file()?;
                Some(Box::pin(async move { drop(file.sync_all().await) }))
            }
            2 => {
                let file = self.file()?;
                Some(Box::pin(async move { drop(file.metadata().await) }))
            }
            3 => {
                // With luck the last one, for whose operations the close waits.
                let file = Rc::try_unwrap(self.file.take()?).ok()?;
                Some(Box::pin(async move { drop(file.close().await) }))
            }
            4 => {
                let sender = Rc::clone(&self.connection()?.sender);
                Some(Box::pin(async move { drop(sender.shutdown().await) }))
            }
            _ => {
                let socket = Socket::from_owned(self.descriptor()?);
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
                Some(Box::pin(async move { drop(socket.connect(peer).await) }))
            }
        }
    }
}
