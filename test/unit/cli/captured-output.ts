/**
 * The text that `run` writes to standard output. Bytes pass: Node's test runner reports the results of this process
 * there, as Buffers, also while `run` waits.
 */
export async function capturedOutput(run: () => Promise<unknown>): Promise<string> {
  const write = process.stdout.write.bind(process.stdout);
  let text = '';
  process.stdout.write = (chunk: string | Uint8Array, ...rest: never[]) => {
    if (typeof chunk !== 'string') return write(chunk, ...rest);
    text += chunk;
    return true;
  };
  try {
    await run();
  } finally {
    process.stdout.write = write;
  }
  return text;
}
