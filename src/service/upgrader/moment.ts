/** An event that happens once. Its value can be awaited or read. */
export class Moment<Value> {
  readonly promise: Promise<Value>;
  #reached = false;
  #resolve: (value: Value) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get reached(): boolean {
    return this.#reached;
  }

  /** Only the first call counts. */
  reach(value: Value): void {
    this.#reached = true;
    this.#resolve(value);
  }
}
