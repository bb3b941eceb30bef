import type { HistoryDocument } from '../../control/documents.ts';
import type { LoggedEvent } from '../../control/event-log.ts';
import type { StatusDocument } from '../../control/status-document.ts';

/** The past generations and handovers, oldest first. */
export interface Timeline {
  readonly generations: readonly Pick<
    HistoryDocument['generations'][number],
    'generation' | 'at' | 'handover' | 'rollback_to' | 'served_ms' | 'release'
  >[];
  readonly handovers: NonNullable<HistoryDocument['handovers']>;
}

/** The newest events of a supervisor, see control/event-log.ts. */
export interface DashboardEvents {
  readonly epoch: string;
  readonly newest: number;
  after(number: number, size: number): readonly LoggedEvent[];
  onAppend(listener: () => void): () => void;
}

/** The data that a dashboard shows of one instance. */
export interface DashboardSource {
  /**
   * With the connections of each generation and the usage of each worker. Rejects if the supervisor does not answer.
   */
  status(): Promise<StatusDocument>;
  timeline(): Promise<Timeline>;
  readonly events: DashboardEvents;
  /** Creates a function that hides secrets in a text: all users who can connect see the events and the output. */
  redactor(): (text: string) => string;
  /** Follows the events while a dashboard is open, until the returned function is called. */
  readonly open?: () => () => void;
}

/** The content of the page: each section by the id of its element. */
export type Sections = ReadonlyMap<string, string>;
