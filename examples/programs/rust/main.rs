use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::io::FromRawFd;
use std::thread;

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let mut close = false;
        let mut first = true;
        loop {
            let line = match lines.next() {
                Some(line) => line?,
                None => return Ok(()),
            };
            if line.is_empty() && !first {
                break;
            }
            first = false;
            close |= line.eq_ignore_ascii_case("connection: close");
        }
        let connection = if close { "Connection: close\r\n" } else { "" };
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n{}\r\nhello\n", connection)?;
        if close {
            return Ok(());
        }
    }
}

fn main() {
    // The first descriptor that zero passes, as in systemd's convention.
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                thread::spawn(|| serve(stream));
            }
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}
