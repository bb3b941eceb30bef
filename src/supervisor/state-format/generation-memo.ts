import { errorText } from '../../common/errors.ts';
import type { Earlier } from '../../history/choose.ts';
import type { ReleaseRecord } from '../../history/release-record.ts';
import type { Release } from '../../workers/spawning/release.ts';
import type { Prepared } from '../run/prepare.ts';
import type { ConfigSnapshot } from '../start/config-source.ts';

/*
 * The data about a generation that a recovering supervisor needs besides the state, and that must not reach a disk: the
 * text of its config and its environment. It is kept in the vault (../keeper/vault.ts).
 */

export const VERSION = 1;

/** The source of a generation. */
export interface GenerationMemo {
  readonly generation: number;
  readonly source: ConfigSnapshot;
  /** The earlier release that it runs; null for the release of the config. */
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
  /** Arguments of the process, including its program. */
  readonly commandLine: readonly string[];
  readonly directory: string;
}

export interface Memos {
  readonly supervisor: SupervisorMemo;
  readonly generations: readonly GenerationMemo[];
}

/** The memo of a generation from its prepared release; null if the source of its config is unknown. */
export function memoOf(
  generation: number,
  { snapshot: source, earlier, release, record, rollbackTo, label }: Prepared,
): GenerationMemo | null {
  return source && { generation, source, earlier, release, record, rollbackTo, label };
}

export function encodeMemos({ supervisor, generations }: Memos): Buffer {
  const document = {
    version: VERSION,
    supervisor: { ...supervisor, environment: supervisor.environment.map(toBase64) },
    generations: generations.map(({ release, ...memo }) => ({
      ...memo,
      release: {
        ...release,
        environment: [...release.environment].map(([name, value]) => [name, toBase64(value)]),
      },
    })),
  };
  return Buffer.from(JSON.stringify(document));
}

/** The memos in these bytes, or why they cannot be used. Never throws. */
export function decodeMemos(bytes: Buffer): Memos | { readonly problem: string } {
  try {
    const { version, supervisor, generations }: MemosDocument = JSON.parse(bytes.toString());
    if (version !== VERSION)
      return { problem: `memos have version ${version}, and this zero reads ${VERSION}` };
    return {
      supervisor: { ...supervisor, environment: supervisor.environment.map(fromBase64) },
      generations: generations.map(({ release, ...memo }) => ({
        ...memo,
        release: {
          ...release,
          environment: new Map(release.environment.map(([name, value]) => [name, fromBase64(value)])),
        },
      })),
    };
  } catch (error) {
    return { problem: `memos are damaged: ${errorText(error)}` };
  }
}

/** Bytes are base64: names of variables are latin1 (environment.ts), and their values have no encoding (environ(7)). */
interface MemosDocument {
  readonly version: number;
  readonly supervisor: Omit<SupervisorMemo, 'environment'> & { readonly environment: readonly string[] };
  readonly generations: readonly (Omit<GenerationMemo, 'release'> & {
    readonly release: Omit<Release, 'environment'> & {
      readonly environment: readonly (readonly [name: string, value: string])[];
    };
  })[];
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64');
}

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
