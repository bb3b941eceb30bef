/**
 * The lines of a stream, without their newlines and without empty ones. What comes after the last newline counts as cut off and is left out.
 * @param limit bytes of the longest line; where one is longer, `tooLong` makes the error
 */
export async function* textLines(
  chunks: AsyncIterable<Buffer>,
  limit: number,
  tooLong: () => Error,
): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      if (end > 0) yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
    if (rest.length > limit) throw tooLong();
  }
}
