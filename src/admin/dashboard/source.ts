import type { HistoryDocument } from '../../control/documents.ts';
import type { LoggedEvent } from '../../control/event-log.ts';
import type { StatusDocument } from '../../control/status-document.ts';

/** Generations and handovers that there were, oldest first. */
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

/** What a dashboard shows of one instance. */
export interface DashboardSource {
  /** With the connections of each generation and the usage of each worker. Rejects where nobody answers. */
  status(): Promise<StatusDocument>;
  timeline(): Promise<Timeline>;
  readonly events: DashboardEvents;
  /** Makes what hides the secrets in a text: everybody who may connect reads the events and the output. */
  redactor(): (text: string) => string;
  /** Follows the events while somebody looks, until the function that is returned is called. */
  readonly open?: () => () => void;
}

/** What is shown, each section by the id of its element. */
export type Sections = ReadonlyMap<string, string>;
