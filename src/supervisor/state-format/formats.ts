import { VERSION as CONFIGS } from './generation-memo.ts';
import { VERSION as STATE } from './version-2.ts';

/*
 * The formats in which a supervisor hands its service to another release, in the vault. A release reads every version
 * up to the newest one that it knows. An upgrade to an earlier release writes the version which that release reads.
 */

/** The newest version of each format that a zero reads: of the state, and of the configs of the running generations. */
export interface Reads {
  readonly state: number;
  readonly configs: number;
}

export type Format = keyof Reads;

/** What this release reads and writes. */
export const NEWEST: Reads = { state: STATE, configs: CONFIGS };

/** Makes a document of the version before. Throws Error where that version has no words for this document. */
type Downgrade = (document: object) => object;

/**
 * By format and version of the document. There is none for version 2 of the state: a release that reads only version 1
 * cannot be executed in place.
 */
export const DOWNGRADES: Readonly<Record<Format, Readonly<Record<number, Downgrade>>>> = {
  state: {},
  configs: {},
};
