import * as z from 'zod/mini';
import { errorText } from '../../common/errors.ts';
import { upgrade } from './upgrade-1.ts';
import * as version1 from './version-1.ts';
import * as version2 from './version-2.ts';

/**
 * The content of a state file of any version, in the names of version 2. Version 1 recorded neither the version of zero
 * nor the config file.
 */
export type SavedState = Omit<version2.Document, 'zero_version' | 'config_file'> &
  Partial<Pick<version2.Document, 'zero_version' | 'config_file'>>;

/**
 * Why a state file cannot be used.
 * - `torn`: the file is empty, incomplete or damaged
 * - `not_json`: not a JSON object
 * - `newer`: a version that this zero does not know
 * - `invalid`: a field is missing or has a wrong value
 * - `other_boot`: from before the last boot; its processes and sockets no longer exist
 * - `other_instance`: of an instance with another name
 */
export interface StateProblem {
  readonly kind: 'torn' | 'not_json' | 'newer' | 'invalid' | 'other_boot' | 'other_instance';
  /** A sentence for a message, after the path of the file. */
  readonly message: string;
}

export type ReadState = { readonly state: SavedState } | { readonly problem: StateProblem };

/** The supervisor that a state must belong to. */
export interface Expected {
  readonly instance: string;
  /** /proc/sys/kernel/random/boot_id (proc(5)). */
  readonly bootId: string;
}

/** Reads the text of a state file of this version or an earlier one. Never throws. */
export function readState(text: string, { instance, bootId }: Expected): ReadState {
  const value = parse(text);
  if ('problem' in value) return value;
  const read = readDocument(value.object);
  if ('problem' in read) return read;
  const { state } = read;
  if (state.instance !== instance) {
    return problem('other_instance', `the file belongs to instance ${state.instance}, not to ${instance}`);
  }
  if (state.boot_id !== bootId) {
    return problem(
      'other_boot',
      'the file is from before the machine was started. Its processes do not exist any more.',
    );
  }
  return read;
}

function parse(
  text: string,
): { readonly object: Record<string, unknown> } | { readonly problem: StateProblem } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (text === '') return problem('torn', 'the file is empty');
    const why = errorText(error);
    if (text.startsWith('{')) return problem('torn', `the file is incomplete or damaged: ${why}`);
    return problem('not_json', `the file is not JSON: ${why}`);
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject
    ? { object: value as Record<string, unknown> }
    : problem('not_json', 'the file is not a JSON object');
}

/** The schemas are made for one reading, because an idle supervisor must not hold them. */
function readDocument(object: Record<string, unknown>): ReadState {
  const { version } = object;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    return problem('invalid', 'version: must be a whole number of 1 or greater');
  }
  switch (version) {
    case 1:
      return validate(version1.schema(), object, upgrade);
    case version2.VERSION:
      return validate(version2.schema(), object, (document) => document);
    default: {
      const message = `the file has version ${version}, and this zero reads versions 1 to ${version2.VERSION}`;
      return problem('newer', `${message}. ${writerAdvice(object)}`);
    }
  }
}

/** Version 2 and every later one have this field. */
function writerAdvice({ zero_version: writer }: Record<string, unknown>): string {
  const isKnown = typeof writer === 'string' && /^[\w.+-]{1,40}$/.test(writer);
  return `Use the zero that wrote the file${isKnown ? `, version ${writer}` : ''}.`;
}

function validate<Document>(
  schema: z.ZodMiniType<Document>,
  value: object,
  toState: (document: Document) => SavedState,
): ReadState {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { state: toState(parsed.data) };
  const [issue] = parsed.error.issues;
  return problem(
    'invalid',
    issue ? `${z.core.toDotPath(issue.path)}: ${expected(issue)}` : 'the file is invalid',
  );
}

function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be of type ${issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'too_small':
      return 'is too small';
    case 'invalid_union':
      return 'is not a known value';
    default:
      return 'has a wrong format';
  }
}

function problem(kind: StateProblem['kind'], message: string): { readonly problem: StateProblem } {
  return { problem: { kind, message } };
}
