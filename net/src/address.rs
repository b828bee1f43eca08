//! What can be connected or bound to.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

mod sealed {
    pub trait Sealed {}
}

/// One or several socket addresses: a [`SocketAddr`], an IP address and a port, or a text such as
/// `"127.0.0.1:7000"` or `"[::1]:7000"`.
///
/// Names are not looked up here, since that would block the core: resolve them first.
pub trait ToSocketAddrs: sealed::Sealed {
    /// The addresses, in the order in which they are tried.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the text is not an IP address with a port.
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>>;
}

macro_rules! address {
    ($($kind:ty),*) => {$(
        impl sealed::Sealed for $kind {}
        impl ToSocketAddrs for $kind {
            fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16));

impl sealed::Sealed for &[SocketAddr] {}
impl ToSocketAddrs for &[SocketAddr] {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl sealed::Sealed for &str {}
impl ToSocketAddrs for &str {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        parse(self).map(|address| vec![address])
    }
}

impl sealed::Sealed for String {}
impl ToSocketAddrs for String {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        parse(self).map(|address| vec![address])
    }
}

impl<A: sealed::Sealed> sealed::Sealed for &A {}
impl<A: ToSocketAddrs> ToSocketAddrs for &A {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_addrs()
    }
}

impl sealed::Sealed for (&str, u16) {}
impl ToSocketAddrs for (&str, u16) {
    fn to_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        let ip: IpAddr = self.0.parse().map_err(|_| refuse(self.0))?;
        Ok(vec![SocketAddr::new(ip, self.1)])
    }
}

fn parse(text: &str) -> io::Result<SocketAddr> {
    text.parse().map_err(|_| refuse(text))
}

fn refuse(text: &str) -> io::Error {
    let why = format!(
        "`{text}` is not an IP address with a port, such as 127.0.0.1:7000; names are not looked up here: resolve \
         them first, for example with std::net::ToSocketAddrs on a thread of its own"
    );
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Tries each address until one succeeds, and gives the last error otherwise.
pub(crate) async fn first<A: ToSocketAddrs, T>(
    addresses: A,
    mut attempt: impl AsyncFnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for address in addresses.to_addrs()? {
        match attempt(address).await {
            Ok(found) => return Ok(found),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "there is no address to try")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_addresses_and_names_are_refused_with_a_cure() {
        assert_eq!("127.0.0.1:80".to_addrs().unwrap()[0].port(), 80);
        assert!("[::1]:80".to_addrs().unwrap()[0].is_ipv6());
        assert_eq!(("::1", 9).to_addrs().unwrap()[0].port(), 9);
        let error = "localhost:80".to_addrs().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("resolve them first"), "{error}");
    }
}
