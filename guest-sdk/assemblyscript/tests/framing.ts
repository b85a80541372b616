// Tests of framing: each exported function is one, and fails by an assertion.

import { Input } from "../assembly/framing";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? "null" : String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

export function lines_come_out_whole_wherever_they_are_cut(): void {
  const expected = ["one", "", "two", "\rthree"];
  for (let step = 1; step < 20; ++step) {
    const input = new Input();
    const data = bytesOf("one\n\r\ntwo\r\n\rthree\nrest");
    let count = 0;
    for (let at = 0; at < data.length; at += step) {
      input.push(data.subarray(at, min(at + step, data.length)));
      for (let line = input.lineText(); line !== null; line = input.lineText()) assert(line == expected[count++]);
    }
    assert(count == expected.length && input.fault === null && input.bufferedBytes == 4);
  }
}

export function a_line_is_bounded_with_its_end_or_without(): void {
  const input = new Input();
  input.push(bytesOf("abcd\r\nabcde\n"));
  assert(input.lineText(4) == "abcd");
  assert(input.line(4) === null && input.fault !== null);
  const endless = new Input();
  endless.push(bytesOf("abcde"));
  assert(endless.line(4) === null && endless.fault === null);
  endless.push(bytesOf("f"));
  assert(endless.line(4) === null && endless.fault !== null);
}

export function netstrings_are_strict_and_bounded(): void {
  const input = new Input();
  const data = bytesOf("5:hello,0:,3:a");
  for (let at = 0; at < data.length; ++at) input.push(data.subarray(at, at + 1));
  assert(text(input.netstring(9)) == "hello");
  assert(text(input.netstring(9)) == "");
  assert(input.netstring(9) === null && input.fault === null);
  const wrong = ["x", ":", "01:a,", "00", "1:ab", "1x:a,", "10:", "99999999999999"];
  for (let index = 0; index < wrong.length; ++index) {
    const other = new Input();
    other.push(bytesOf(wrong[index]));
    assert(other.netstring(9) === null && other.fault !== null, wrong[index]);
  }
}

export function kinds_may_change_between_frames(): void {
  const input = new Input();
  const data = bytesOf("\0\0\0\x02hi\0\0\0\0line\nrest");
  for (let at = 0; at < data.length; ++at) input.push(data.subarray(at, at + 1));
  assert(text(input.int32(9)) == "hi");
  assert(text(input.int32(9)) == "");
  assert(input.lineText() == "line");
  assert(text(input.raw(2)) == "re" && text(input.raw(100)) == "st" && input.raw(1).length == 0);
  input.push(bytesOf("\0\0\0\x0a"));
  assert(input.int32(9) === null && input.fault !== null);
}

export function a_buffer_does_not_grow_with_what_goes_through(): void {
  const input = new Input();
  const piece = new Uint8Array(60_000).fill(120);
  piece[59_999] = 10;
  const before = memory.size();
  for (let time = 0; time < 2_000; ++time) {
    input.push(piece);
    assert(input.line(60_000)!.length == 59_999);
  }
  // 120 MB went through.
  assert(memory.size() - before < 64);
}
