/** Callbacks that can be awaited. */
export function verdictOf(): {
  callbacks: { passed(): void; failed(reason: string): void };
  verdict: Promise<string>;
  calls: string[];
} {
  const calls: string[] = [];
  let tell: (verdict: string) => void = () => {};
  const verdict = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const note = (call: string) => {
    calls.push(call);
    tell(call);
  };
  return {
    callbacks: { passed: () => note('passed'), failed: (reason) => note(`failed: ${reason}`) },
    verdict,
    calls,
  };
}
