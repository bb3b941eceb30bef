/** The longest time that `setTimeout` takes, in ms. */
const LONGEST = 2 ** 31 - 1;

/** Settles as the promise does, or resolves after this time, in ms. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.min(ms, LONGEST));
  });
  await Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
