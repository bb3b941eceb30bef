import type { EventLog } from './event-log.ts';
import type { Output } from './output-feed.ts';

/** What can be looked at in a supervisor, beside its status. */
export interface Sights {
  readonly events: EventLog;
  readonly output: Output;
  /** The open connections of each generation, counted now; null where nobody may look. Never rejects. */
  connections(): Promise<ReadonlyMap<number, number | null>>;
}
