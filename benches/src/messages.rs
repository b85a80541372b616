//! What the load generator sends and what must come back, so that every byte of an answer can be verified; it must not
//! know how it is sent.

/// Few enough to stay in the cache, enough to tell neighbours and successive requests apart.
const VARIANTS: usize = 64;

/// A blocking exchange of more could fill both directions' buffers and wait for itself.
pub const FIRST_WORDS_BYTES_MAX: usize = 4096;

/// A fixed set of messages of one size. Neighbouring connections, and successive requests of one connection, send
/// different ones: an answer that went astray or came twice is noticed.
pub struct Messages {
    bytes: Vec<u8>,
    /// What comes back, where it is not what was sent; laid out as `bytes` are.
    answers: Option<Vec<u8>>,
    size_bytes: usize,
    stride_bytes: usize,
}

impl Messages {
    /// Random bytes. The messages overlap in memory, so that 64 KiB ones leave the load generator's cache alone.
    pub fn binary(size_bytes: usize) -> Messages {
        const STRIDE_BYTES: usize = 61;
        let mut noise = Noise::new();
        let bytes = (0..size_bytes + STRIDE_BYTES * VARIANTS)
            .map(|_| noise.byte())
            .collect();
        Messages {
            bytes,
            answers: None,
            size_bytes,
            stride_bytes: STRIDE_BYTES,
        }
    }

    /// Lines such as `echo 8sKd2…`, which the guests for hostile and page tests write back.
    pub fn lines(size_bytes: usize) -> Messages {
        const ALPHABET: &[u8; 64] =
            b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
        let mut noise = Noise::new();
        let mut bytes = Vec::with_capacity(size_bytes * VARIANTS);
        for _ in 0..VARIANTS {
            bytes.extend_from_slice(b"echo ");
            bytes.extend(
                (6..size_bytes).map(|_| ALPHABET[usize::from(noise.byte()) % ALPHABET.len()]),
            );
            bytes.push(b'\n');
        }
        let size_bytes = size_bytes.max(b"echo \n".len());
        Messages {
            bytes,
            answers: None,
            size_bytes,
            stride_bytes: size_bytes,
        }
    }

    /// The same lines, to be answered in upper case.
    pub fn lines_to_upper_case(size_bytes: usize) -> Messages {
        let lines = Messages::lines(size_bytes);
        Messages {
            answers: Some(lines.bytes.to_ascii_uppercase()),
            ..lines
        }
    }

    /// The message that `connection` sends as its `sequence`-th.
    pub fn get(&self, connection: usize, sequence: u64) -> &[u8] {
        self.variant(&self.bytes, connection, sequence)
    }

    /// What must come back for it.
    pub fn answer(&self, connection: usize, sequence: u64) -> &[u8] {
        let answers = self.answers.as_ref().unwrap_or(&self.bytes);
        self.variant(answers, connection, sequence)
    }

    /// What a new connection sends first, and what must come back: the end of a message, so that a line stays one.
    pub fn first_words(&self, connection: usize) -> (&[u8], &[u8]) {
        let start = self.size_bytes.saturating_sub(FIRST_WORDS_BYTES_MAX);
        let (message, answer) = (self.get(connection, 0), self.answer(connection, 0));
        (&message[start..], &answer[start..])
    }

    fn variant<'a>(&self, bytes: &'a [u8], connection: usize, sequence: u64) -> &'a [u8] {
        let variant = (connection as u64 * 7 + sequence) as usize % VARIANTS;
        &bytes[variant * self.stride_bytes..][..self.size_bytes]
    }

    /// The size of each.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}

/// The same pseudo-random bytes in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn new() -> Noise {
        Noise(0x9e37_79b9_7f4a_7c15)
    }

    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_successors_differ() {
        for messages in [Messages::binary(64), Messages::lines(64)] {
            for connection in 0..200 {
                assert_eq!(messages.get(connection, 0).len(), 64);
                assert_ne!(messages.get(connection, 5), messages.get(connection, 6));
                assert_ne!(messages.get(connection, 5), messages.get(connection + 1, 5));
            }
        }
    }

    #[test]
    fn upper_case_is_asked_for_and_still_tells_neighbours_apart() {
        let messages = Messages::lines_to_upper_case(64);
        assert_eq!(
            messages.answer(3, 9),
            messages.get(3, 9).to_ascii_uppercase()
        );
        assert_ne!(messages.get(3, 9), messages.answer(3, 9));
        assert_ne!(messages.answer(3, 9), messages.answer(4, 9));
        assert_ne!(messages.answer(3, 9), messages.answer(3, 10));
    }

    #[test]
    fn first_words_are_bounded_and_a_line() {
        let messages = Messages::lines_to_upper_case(3 * FIRST_WORDS_BYTES_MAX);
        let (message, answer) = messages.first_words(1);
        assert_eq!(message.len(), FIRST_WORDS_BYTES_MAX);
        assert!(message.ends_with(b"\n") && message.to_ascii_uppercase() == answer);
        assert_eq!(Messages::binary(5).first_words(1).0.len(), 5);
    }

    #[test]
    fn a_line_is_one_line() {
        let messages = Messages::lines(64);
        let line = messages.get(3, 9);
        assert!(line.starts_with(b"echo ") && line.ends_with(b"\n"));
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
    }
}
