import type { ReleaseRecord } from '../../history/release-record.ts';
import type { Release } from '../../workers/release.ts';
import type { ConfigSnapshot } from '../config-source.ts';
import type { Earlier } from '../earlier.ts';

/*
 * What a recovering supervisor needs of a generation besides the state, and what may not reach a disk: the text of its
 * config and its environment. It is kept in the vault (../keeper/vault.ts).
 */

/** What a generation was made of. */
export interface GenerationMemo {
  readonly generation: number;
  readonly source: ConfigSnapshot;
  /** The earlier release that it runs; null for what the config says. */
  readonly earlier: Earlier | null;
  readonly release: Release;
  readonly record: ReleaseRecord;
  readonly rollbackTo: number | null;
  readonly label: string | null;
}

/** How the supervisor itself was started. */
export interface SupervisorMemo {
  /** `NAME=VALUE` each, as the kernel gave it. */
  readonly environment: readonly Buffer[];
  /** Arguments of the process, its program included. */
  readonly commandLine: readonly string[];
  readonly directory: string;
}

export interface Memos {
  readonly supervisor: SupervisorMemo;
  readonly generations: readonly GenerationMemo[];
}
