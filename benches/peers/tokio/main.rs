//! The peer `tokio`: echo or lines on tokio's current-thread runtime, a task for each connection.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const BACKLOG: u32 = 4096;
const BUFFER_BYTES: usize = 4096;
/// A longer line ends its connection.
const LINE_MAX_BYTES: u64 = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let lines = std::env::args().nth(1).as_deref() == Some("line");
    let listener = listen()?;
    println!("listening on tcp:{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // An error ends its own connection only.
        if lines {
            tokio::spawn(upper_case(stream));
        } else {
            tokio::spawn(echo(stream));
        }
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    socket.listen(BACKLOG)
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn upper_case(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut stream).take(LINE_MAX_BYTES);
        bounded.read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        line.make_ascii_uppercase();
        stream.get_mut().write_all(&line).await?;
    }
}
