/** What the load's process is told. */
export interface LoadOptions {
  /** On 127.0.0.1; each connection goes to the next of them. */
  readonly ports: readonly number[];
  /** Requests under way at a time. */
  readonly clients: number;
  readonly connections: 'short' | 'keep-alive';
  /** Milliseconds between an answer and the client's next request. */
  readonly think: number;
  /** The PHP file to ask for by FastCGI, on short connections; HTTP where it is left out. */
  readonly script?: string;
}

export type Order = { readonly type: 'start'; readonly options: LoadOptions } | { readonly type: 'take' };

/** What happened since the load was started, or since the last time somebody asked. */
export interface Taken {
  readonly seconds: number;
  readonly answered: number;
  readonly failed: number;
  /** Milliseconds from the first step, connecting included, to the last byte. */
  readonly latencies: readonly number[];
}
