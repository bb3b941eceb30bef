import type { ReleaseRecord } from '../history/release-record.ts';

/** An earlier release, found and checked. */
export interface Earlier {
  /** The generation that ran it. */
  readonly generation: number;
  readonly record: ReleaseRecord;
  /** Its name; null where it had none. */
  readonly label: string | null;
  /** What is executed: the file of then, or its copy. */
  readonly executable: string;
  readonly directory: string;
}

/** Why nothing can be handed over to: the message says it all. */
export class RollbackError extends Error {}
