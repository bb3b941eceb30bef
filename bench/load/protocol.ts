/** The options of the load's process. */
export interface LoadOptions {
  /** Ports of 127.0.0.1. Each new connection goes to the next port. */
  readonly ports: readonly number[];
  /** Number of concurrent requests. */
  readonly clients: number;
  readonly connections: 'short' | 'keep-alive';
  /** Milliseconds between a response and the client's next request. */
  readonly think: number;
  /** The PHP file to request by FastCGI, on short connections. Default: HTTP. */
  readonly script?: string;
}

export type Order = { readonly type: 'start'; readonly options: LoadOptions } | { readonly type: 'take' };

/** The results since the start of the load or since the last call. */
export interface Taken {
  readonly seconds: number;
  readonly answered: number;
  readonly failed: number;
  /** Milliseconds from the first step, including connecting, to the last byte. */
  readonly latencies: readonly number[];
}
