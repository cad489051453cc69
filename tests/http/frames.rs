//! HTTP/2 byte by byte, as far as the tests need it (RFC 9113, RFC 7541): enough to see what a client wrote, and to be a
//! server that no library would let one write.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The index of `authorization` in the static table (RFC 7541, appendix A).
pub(crate) const AUTHORIZATION: usize = 23;

/// In place of an index: the name is spelled out, as names must be that no table holds, `x-sfdc-session` among them.
pub(crate) const SPELLED_OUT: usize = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_at_checked(9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (payload, rest) = rest.split_at_checked(length)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some((Self { kind: head[3], flags: head[4], stream, payload: payload.to_vec() }, rest))
    }

    fn write(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The field block of a HEADERS frame.
    fn block(&self) -> &[u8] {
        assert_eq!(
            (self.kind, self.flags & (END_HEADERS | PADDED)),
            (HEADERS, END_HEADERS),
            "whole and plain"
        );
        &self.payload[if self.flags & PRIORITY == 0 { 0 } else { 5 }..]
    }

    /// The fields of a HEADERS frame.
    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut block = Block(self.block());
        std::iter::from_fn(|| block.field()).collect()
    }
}

/// The frames of what a client wrote.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut rest = bytes.strip_prefix(PREFACE).expect("HTTP/2");
    std::iter::from_fn(|| {
        let (frame, behind) = Frame::read(rest)?;
        rest = behind;
        Some(frame)
    })
    .collect()
}

/// A field of a header block, as it is represented (RFC 7541, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Indexed(usize),
    /// Kept in the tables of both ends and of everybody between them.
    Incremental {
        name: usize,
    },
    NotIndexed {
        name: usize,
    },
    /// May be kept by nobody, not even by a proxy that speaks HTTP/2 on its other side.
    NeverIndexed {
        name: usize,
    },
    TableSize,
}

impl Field {
    /// Whether its name is that of `authorization`.
    pub(crate) fn is_authorization(&self) -> bool {
        match self {
            Self::Indexed(name)
            | Self::Incremental { name }
            | Self::NotIndexed { name }
            | Self::NeverIndexed { name } => *name == AUTHORIZATION,
            Self::TableSize => false,
        }
    }

    pub(crate) fn is_never_indexed(&self) -> bool {
        matches!(self, Self::NeverIndexed { .. })
    }
}

struct Block<'a>(&'a [u8]);

impl Block<'_> {
    fn field(&mut self) -> Option<Field> {
        let first = *self.0.first()?;
        Some(match first {
            0x80.. => Field::Indexed(self.integer(7)),
            0x40..=0x7f => Field::Incremental { name: self.literal(6) },
            0x20..=0x3f => {
                self.integer(5);
                Field::TableSize
            }
            0x10..=0x1f => Field::NeverIndexed { name: self.literal(4) },
            0x00..=0x0f => Field::NotIndexed { name: self.literal(4) },
        })
    }

    /// Reads a literal to its end; returns the index of its name.
    fn literal(&mut self, bits: u8) -> usize {
        let name = self.integer(bits);
        if name == SPELLED_OUT {
            self.string();
        }
        self.string();
        name
    }

    fn string(&mut self) {
        let length = self.integer(7);
        self.0 = &self.0[length..];
    }

    fn integer(&mut self, bits: u8) -> usize {
        let most = (1 << bits) - 1;
        let mut value = usize::from(self.byte()) & most;
        if value == most {
            for shift in (0..).step_by(7) {
                let byte = self.byte();
                value += usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        value
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("a whole block");
        self.0 = rest;
        *first
    }
}

/// The server's end of a connection, driven by hand.
pub(crate) struct Peer(TcpStream);

impl Peer {
    pub(crate) async fn accept(mut stream: TcpStream) -> Self {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut peer = Self(stream);
        peer.send(SETTINGS, 0, 0, &[]).await;
        peer
    }

    /// The stream of the next request, whose body must be empty; `None` once the client has gone.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.receive().await?;
            match frame.kind {
                HEADERS => {
                    assert_ne!(frame.flags & END_STREAM, 0, "without a body");
                    return Some(frame.stream);
                }
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if frame.flags & ACK == 0 => self.send(PING, ACK, 0, &frame.payload).await,
                _ => {}
            }
        }
    }

    async fn receive(&mut self) -> Option<Frame> {
        let mut bytes = vec![0; 9];
        self.0.read_exact(&mut bytes).await.ok()?;
        let length = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
        bytes.resize(9 + length, 0);
        self.0.read_exact(&mut bytes[9..]).await.ok()?;
        Frame::read(&bytes).map(|(frame, _)| frame)
    }

    pub(crate) async fn answer(&mut self, stream: u32, status: u16, body: &str) {
        // `:status` (static index 8), not indexed, spelled out.
        let mut block = vec![0x08, 3];
        block.extend(status.to_string().bytes());
        self.send(HEADERS, END_HEADERS, stream, &block).await;
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    /// Says that no stream above `last` was looked at.
    pub(crate) async fn go_away(&mut self, last: u32) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend([0; 4]);
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // The client may have gone already, which is for the test to notice.
        let _ = self.0.write_all(&Frame::write(kind, flags, stream, payload)).await;
    }
}
