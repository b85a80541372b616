//! The write buffer of one connection and its watermarks. Knows no socket.

/// Bytes that a guest wrote and that the operating system has not taken yet.
#[derive(Debug)]
pub struct Transport {
    bytes: Vec<u8>,
    /// How many of `bytes` are sent already; they go when the buffer is empty or mostly sent.
    sent: usize,
    high_bytes: usize,
    low_bytes: usize,
    /// Set above the high watermark, cleared at the low one.
    above: bool,
}

/// An empty buffer keeps this much memory at most, so that one burst does not weigh on an idle connection for ever.
const KEPT_BYTES_MAX: usize = 4 << 10;

impl Transport {
    /// An empty buffer with these watermarks.
    pub fn new(high_bytes: usize, low_bytes: usize) -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            high_bytes,
            low_bytes: low_bytes.min(high_bytes),
            above: false,
        }
    }

    /// From here on these watermarks hold.
    pub fn set_watermarks(&mut self, high_bytes: usize, low_bytes: usize) {
        self.high_bytes = high_bytes;
        self.low_bytes = low_bytes.min(high_bytes);
        // One that was above the old mark has to fall to the new low one all the same: the guest may wait to be told.
        self.above |= self.buffered_bytes() > self.high_bytes;
    }

    /// What is to be sent next, in order.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// How many bytes wait.
    pub fn buffered_bytes(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.buffered_bytes() == 0
    }

    /// Whether the buffer has risen above its high watermark and not fallen to its low one since.
    pub fn is_above_watermark(&self) -> bool {
        self.above
    }

    /// Queues bytes behind those that wait. The caller has checked that they fit.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.above |= self.buffered_bytes() > self.high_bytes;
    }

    /// The operating system took `count` bytes of [`unsent`](Self::unsent). Returns whether that let the buffer fall to its
    /// low watermark after it had been above the high one.
    pub fn advance(&mut self, count: usize) -> bool {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES_MAX);
            self.sent = 0;
        } else if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        let drained = self.above && self.buffered_bytes() <= self.low_bytes;
        if drained {
            self.above = false;
        }
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sends_what_was_pushed_in_order(
            steps in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0usize..60), 0..50),
        ) {
            let mut transport = Transport::new(32, 8);
            let (mut pushed, mut sent) = (Vec::new(), Vec::new());
            for (bytes, take) in steps {
                transport.push(&bytes);
                pushed.extend_from_slice(&bytes);
                let above = transport.is_above_watermark();
                prop_assert!(above || transport.buffered_bytes() <= 32);
                let take = take.min(transport.buffered_bytes());
                sent.extend_from_slice(&transport.unsent()[..take]);
                let drained = transport.advance(take);
                prop_assert_eq!(drained, above && transport.buffered_bytes() <= 8);
                prop_assert_eq!(transport.buffered_bytes(), pushed.len() - sent.len());
            }
            sent.extend_from_slice(transport.unsent());
            prop_assert_eq!(sent, pushed);
        }
    }

    #[test]
    fn an_empty_buffer_gives_its_memory_back() {
        let mut transport = Transport::new(32, 8);
        transport.push(&[0; 1 << 20]);
        transport.advance(1 << 20);
        assert!(transport.bytes.capacity() <= KEPT_BYTES_MAX);
    }
}
