import { VERSION as CONFIGS } from './generation-memo.ts';
import { VERSION as STATE } from './version-2.ts';

/*
 * The formats in which a supervisor hands its service to another version of zero, in the vault. Each version of zero
 * reads every format version up to its newest. An upgrade to an earlier zero writes the version which that zero reads.
 */

/** The newest version of each format that a zero reads: the state, and the configs of the running generations. */
export interface Reads {
  readonly state: number;
  readonly configs: number;
}

export type Format = keyof Reads;

/** The versions that this zero reads and writes. */
export const NEWEST: Reads = { state: STATE, configs: CONFIGS };

/** Converts a document to the previous version. Throws Error if that version cannot express the document. */
type Downgrade = (document: object) => object;

/**
 * By format and version of the document. Version 2 of the state has no entry: a zero that reads only version 1 cannot
 * be executed in place.
 */
export const DOWNGRADES: Readonly<Record<Format, Readonly<Record<number, Downgrade>>>> = {
  state: {},
  configs: {},
};
