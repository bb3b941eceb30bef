/** Where new connections of the steered listeners go. Lanes by number, the same for every steered listener. */
export interface Steering {
  readonly main: readonly number[];
  /** A share of the connections that goes to the candidate. */
  readonly canary: {
    readonly percent: number;
    readonly by: 'connection' | 'address';
    readonly lanes: readonly number[];
  } | null;
  /** Lanes for connections from `previewFrom`. */
  readonly preview: readonly number[] | null;
  readonly previewFrom: readonly string[];
}

/** Every lane that the program can select. */
export function steeredLanes(steering: Steering | null): Set<number> {
  return new Set([
    ...(steering?.main ?? []),
    ...(steering?.canary?.lanes ?? []),
    ...(steering?.preview ?? []),
  ]);
}
