//! Lines of standard input, without being deaf to signals while none comes.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, BufRead};
use std::os::fd::AsFd;
use std::time::Duration;

/// A longer line is no request.
const LONGEST_LINE: usize = 64 << 20;

/// What came.
pub(super) enum Line {
    /// Nothing yet.
    None,
    /// A line, without its end.
    Text(String),
    /// A line that can't be read as text, and why.
    Bad(String),
    /// There is no more.
    End,
}

/// Standard input, line by line.
pub(super) struct Lines {
    /// What was read and not handed out.
    buffer: Vec<u8>,
    /// Where in it the next line begins.
    start: usize,
    /// No line ends before this place.
    searched: usize,
    /// The present line is too long: so many bytes of it are gone.
    dropped: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn of_stdin() -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, dropped: 0, ended: false }
    }

    /// The next line; [`Line::None`] after `longest`, or when a signal came.
    pub(super) fn next(&mut self, longest: Duration) -> io::Result<Line> {
        loop {
            if let Some(line) = self.whole_line() {
                return Ok(line);
            }
            if self.ended {
                return Ok(self.last_line());
            }
            let stdin = io::stdin();
            let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            match poll(&mut waiting, PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX)) {
                Ok(0) | Err(Errno::EINTR) => return Ok(Line::None),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            // Everything is taken at once: so the reader inside `stdin` never holds what poll can't see.
            let mut input = stdin.lock();
            let read = match input.fill_buf() {
                Ok(bytes) => {
                    self.buffer.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Line::None),
                Err(error) => return Err(error),
            };
            input.consume(read);
            self.ended = read == 0;
        }
    }

    fn whole_line(&mut self) -> Option<Line> {
        match self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let end = self.searched + at;
                let line = self.line(self.start, end);
                self.start = end + 1;
                self.searched = self.start;
                Some(line)
            }
            None => {
                self.buffer.drain(..self.start);
                self.start = 0;
                if self.buffer.len() > LONGEST_LINE {
                    self.dropped += self.buffer.len();
                    self.buffer = Vec::new();
                }
                self.searched = self.buffer.len();
                None
            }
        }
    }

    /// What stands behind the last end of a line.
    fn last_line(&mut self) -> Line {
        if self.buffer.is_empty() && self.dropped == 0 {
            return Line::End;
        }
        let line = self.line(0, self.buffer.len());
        self.buffer.clear();
        self.searched = 0;
        line
    }

    fn line(&mut self, start: usize, end: usize) -> Line {
        let bytes = &self.buffer[start..end];
        let length = std::mem::take(&mut self.dropped) + bytes.len();
        if length > LONGEST_LINE {
            return Line::Bad(format!(
                "the line has {length} bytes, more than {LONGEST_LINE}: write several requests"
            ));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Line::Text(text.to_owned()),
            Err(error) => {
                Line::Bad(format!("the line is not text in UTF-8, from byte {} on", error.valid_up_to()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::of_stdin();
        let mut found = Vec::new();
        let mut show = |line| match line {
            Line::Text(text) => found.push(text),
            Line::Bad(why) => found.push(format!("bad: {why}")),
            Line::None | Line::End => found.push("nothing".into()),
        };
        for piece in pieces {
            lines.buffer.extend_from_slice(piece);
            while let Some(line) = lines.whole_line() {
                show(line);
            }
        }
        match lines.last_line() {
            Line::End => {}
            line => show(line),
        }
        found
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        assert_eq!(lines_of(&[b"on", b"e\ntwo\n\nth", b"ree"]), ["one", "two", "", "three"]);
        assert_eq!(lines_of(&[b"one\n"]), ["one"]);
        assert_eq!(lines_of(&[b""]), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_text_is_said_and_the_next_line_is_read() {
        let found = lines_of(&[b"a\xffb\nnext\n"]);
        assert!(found[0].starts_with("bad: the line is not text in UTF-8, from byte 1"), "{found:?}");
        assert_eq!(found[1], "next");
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_line_is_read() {
        let long = vec![b'x'; LONGEST_LINE / 2 + 1];
        let found = lines_of(&[&long, &long, &long, b"tail\nnext\n"]);
        assert!(
            found[0].starts_with(&format!("bad: the line has {} bytes", 3 * long.len() + 4)),
            "{}",
            found[0]
        );
        assert_eq!(found[1], "next");
        assert_eq!(lines_of(&[&long, &long]).len(), 1);
    }
}
