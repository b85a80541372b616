//! A loop over `wasi:io/poll`: accepts, reads, answers. Each turn hands the host the whole list of pollables, which is all
//! that WASI 0.2 offers.

use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

const BACKLOG: u64 = 4096;
const READ_BYTES: u64 = 4096;
/// A longer line ends its connection.
const LINE_MAX_BYTES: usize = 64 * 1024;

pub fn run(lines: bool) -> Result<(), ErrorCode> {
    let listener = listen()?;
    let acceptable = listener.subscribe();
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let mut waited_for = vec![&acceptable];
        waited_for.extend(connections.iter().map(Connection::waits_for));
        let mut ready = poll(&waited_for);
        // From behind, so that a removal moves none that is still to be looked at.
        ready.sort_unstable_by(|one, other| other.cmp(one));
        for index in ready {
            match (index as usize).checked_sub(1) {
                Some(index) => {
                    if connections[index].advance(lines).is_err() {
                        connections.swap_remove(index);
                    }
                }
                None => accept(&listener, &mut connections),
            }
        }
    }
}

fn listen() -> Result<TcpSocket, ErrorCode> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    let any_port = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 0,
        address: (127, 0, 0, 1),
    });
    socket.set_listen_backlog_size(BACKLOG)?;
    socket.start_bind(&instance_network(), any_port)?;
    finish(&socket, TcpSocket::finish_bind)?;
    socket.start_listen()?;
    finish(&socket, TcpSocket::finish_listen)?;
    if let IpSocketAddress::Ipv4(address) = socket.local_address()? {
        println!("listening on tcp:127.0.0.1:{}", address.port);
    }
    Ok(socket)
}

fn finish(
    socket: &TcpSocket,
    step: fn(&TcpSocket) -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    let ready = socket.subscribe();
    loop {
        match step(socket) {
            Err(ErrorCode::WouldBlock) => ready.block(),
            result => return result,
        }
    }
}

fn accept(listener: &TcpSocket, connections: &mut Vec<Connection>) {
    while let Ok((socket, input, output)) = listener.accept() {
        connections.push(Connection {
            readable: input.subscribe(),
            writable: output.subscribe(),
            input,
            output,
            _socket: socket,
            partial: Vec::new(),
            unsent: Vec::new(),
        });
    }
}

/// Children are dropped before their parents: the fields stand in that order.
struct Connection {
    readable: Pollable,
    writable: Pollable,
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
    /// A line that is not complete.
    partial: Vec<u8>,
    /// While there is any, nothing is read.
    unsent: Vec<u8>,
}

impl Connection {
    fn waits_for(&self) -> &Pollable {
        if self.unsent.is_empty() {
            &self.readable
        } else {
            &self.writable
        }
    }

    fn advance(&mut self, lines: bool) -> Result<(), StreamError> {
        if self.unsent.is_empty() {
            let data = self.input.read(READ_BYTES)?;
            self.unsent = if lines {
                self.complete_lines(data)?
            } else {
                data
            };
        }
        let room = self.output.check_write()? as usize;
        let count = room.min(self.unsent.len());
        self.output.write(&self.unsent[..count])?;
        self.unsent.drain(..count);
        Ok(())
    }

    fn complete_lines(&mut self, data: Vec<u8>) -> Result<Vec<u8>, StreamError> {
        self.partial.extend(data);
        let end = self.partial.iter().rposition(|&byte| byte == b'\n');
        let rest = self.partial.split_off(end.map_or(0, |end| end + 1));
        let mut complete = std::mem::replace(&mut self.partial, rest);
        complete.make_ascii_uppercase();
        if self.partial.len() > LINE_MAX_BYTES {
            return Err(StreamError::Closed);
        }
        Ok(complete)
    }
}
