//! A peer: a blocking socket that a host which answers nothing can't hang.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::PATIENCE;

/// How a connection ended, as its peer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side closed it (FIN).
    Closed,
    /// The other side reset it (RST).
    Reset,
}

/// One connection to a host.
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// Every method panics when the host does not do its part within [`PATIENCE`].
#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
impl Client {
    /// Connects from any port.
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        // Not `connect_timeout`: it reports the reset of a connection that was made and ended at once as a failure to connect.
        Self::over(TcpStream::connect(address).expect("the host accepts"))
    }

    /// Connects from an address of its own, such as `127.0.0.66`, by which a guest may know it.
    #[must_use]
    #[track_caller]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket
            .bind(&SocketAddr::new(source, 0).into())
            .expect("a loopback address");
        socket.connect(&address.into()).expect("the host accepts");
        Self::over(socket.into())
    }

    /// Connects with a small receive buffer: the host's own buffer fills soon when this peer doesn't read.
    #[must_use]
    #[track_caller]
    pub fn connect_narrow(address: SocketAddr) -> Self {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket
            .set_recv_buffer_size(16 << 10)
            .expect("a small buffer");
        socket
            .connect_timeout(&address.into(), PATIENCE)
            .expect("the host accepts");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// The socket itself.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends everything.
    #[track_caller]
    pub fn send(&mut self, data: impl AsRef<[u8]>) {
        self.stream()
            .write_all(data.as_ref())
            .expect("the host takes what is sent");
    }

    /// Sends what the host still takes: it may be about to end the connection.
    pub fn try_send(&mut self, data: impl AsRef<[u8]>) {
        let _ = self.stream().write_all(data.as_ref());
    }

    /// The next so many bytes.
    #[must_use]
    #[track_caller]
    pub fn receive(&mut self, length_bytes: usize) -> Vec<u8> {
        let mut data = vec![0; length_bytes];
        self.reader.read_exact(&mut data).expect("the host answers");
        data
    }

    /// The next line, without its end.
    #[must_use]
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader
            .read_line(&mut line)
            .expect("the host answers with a line");
        assert!(
            line.ends_with('\n'),
            "the connection ended in the middle of a line: {line:?}"
        );
        line.trim_end().to_owned()
    }

    /// Sends a line and returns the one that comes back.
    #[must_use]
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n"));
        self.line()
    }

    /// Sends a few bytes and insists on getting them back.
    #[track_caller]
    pub fn check_echo(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        self.send(data);
        let back = self.receive(data.len());
        assert_eq!(
            String::from_utf8_lossy(&back),
            String::from_utf8_lossy(data)
        );
    }

    /// Whether the connection still echoes.
    #[must_use]
    pub fn echoes(&mut self, data: &[u8]) -> bool {
        let mut back = vec![0; data.len()];
        self.stream().write_all(data).is_ok()
            && self.reader.read_exact(&mut back).is_ok()
            && back == data
    }

    /// Half close: no more will be sent.
    #[track_caller]
    pub fn finish_sending(&self) {
        self.stream().shutdown(Shutdown::Write).expect("connected");
    }

    /// Everything that comes until the end, and how it ends.
    #[must_use]
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        let mut data = Vec::new();
        match self.reader.read_to_end(&mut data) {
            Ok(_) => (data, End::Closed),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                (data, End::Reset)
            }
            Err(error) => panic!(
                "the connection goes on: {error}; received so far: {} bytes",
                data.len()
            ),
        }
    }

    /// Waits for the end, whatever comes before it.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> End {
        self.rest().1
    }

    /// Ends the connection with a reset.
    #[track_caller]
    pub fn reset(self) {
        SockRef::from(self.stream())
            .set_linger(Some(Duration::ZERO))
            .expect("connected");
    }
}
