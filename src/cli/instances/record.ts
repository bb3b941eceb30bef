import fs from 'node:fs';
import path from 'node:path';
import * as z from 'zod/mini';
import { parseInstanceName } from '../../config/values/names.ts';
import { controlSocketIn } from '../../supervisor/instance/instance.ts';
import { RECORD } from '../../supervisor/instance/instance-record.ts';

/** The config file that an instance was started from. Supervisors without a record have only its path. */
export interface RecordedFile {
  readonly path: string;
  readonly device?: string;
  readonly inode?: string;
  readonly birth_ns?: string;
}

/** An instance that was found by its runtime directory, running or not. */
export interface Instance {
  readonly name: string;
  /** The user who started it: the owner of its files. */
  readonly uid: number;
  readonly runtimeDirectory: string;
  readonly controlSocket: string;
  /** null: the config was given as arguments. Undefined: unknown. */
  readonly configFile: RecordedFile | null | undefined;
  /** Pid of the supervisor. */
  readonly pid: number | null;
}

const text = z.string();
/** Another user can write a file with any content. The name is part of addresses and paths. */
const instanceName = z.string().check(z.refine((name) => 'value' in parseInstanceName(name)));

/** `instance.json`, version 1. Readers ignore unknown fields, and read newer versions that only added fields. */
const record = z.object({
  version: z.int(),
  name: instanceName,
  pid: z.int(),
  config_file: z.nullable(z.object({ path: text, device: text, inode: text, birth_ns: text })),
  control_socket: text,
});

/** Fields of `state.json`, since its version 2, for supervisors that are older than the records. */
const state = z.object({
  instance: instanceName,
  config_file: z.nullable(text),
  supervisor: z.object({ pid: z.int() }),
});

/** Limit far above the size of a record, and of a state with a thousand workers. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads the instance of a runtime directory; null if there is none, or if its record belongs neither to `uid` nor to
 * root. A supervisor that is older than the records is found by its state and its control socket.
 * @param uid null: any owner
 */
export function readInstance(runtimeDirectory: string, uid: number | null): Instance | null {
  const isTrusted = (owner: number) => uid === null || owner === uid || owner === 0;
  const found = readFile(path.join(runtimeDirectory, RECORD));
  if (found !== null) {
    const parsed = record.safeParse(found.document);
    if (!parsed.success || !isTrusted(found.uid)) return null;
    const { name, pid, config_file: configFile, control_socket: controlSocket } = parsed.data;
    return { name, uid: found.uid, pid, runtimeDirectory, controlSocket, configFile };
  }
  const controlSocket = controlSocketIn(runtimeDirectory);
  const socket = statOf(controlSocket);
  const before = readFile(path.join(runtimeDirectory, 'state.json'));
  const owner = socket?.isSocket() ? socket.uid : before?.uid;
  if (owner === undefined || !isTrusted(owner)) return null;
  const parsed = state.safeParse(before?.document);
  const common = { uid: owner, runtimeDirectory, controlSocket };
  if (!parsed.success)
    return { ...common, name: path.basename(runtimeDirectory), pid: null, configFile: undefined };
  const { instance: name, config_file: file, supervisor } = parsed.data;
  return { ...common, name, pid: supervisor.pid, configFile: file === null ? null : { path: file } };
}

/** A JSON file and its owner; null if there is none or this user cannot read it. */
function readFile(file: string): { readonly document: unknown; readonly uid: number } | null {
  // The directory may belong to another user, who could create a pipe or a symlink there (open(2)).
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  let fd: number | null = null;
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const { uid, size } = fs.fstatSync(fd);
    if (!fs.fstatSync(fd).isFile() || size > MAX_BYTES) return null;
    return { document: JSON.parse(fs.readFileSync(fd, 'utf8')), uid };
  } catch {
    return null;
  } finally {
    if (fd !== null) fs.closeSync(fd);
  }
}

/** null: the file does not exist, or this user may not see it. */
export function inodeOf(file: string): number | null {
  return statOf(file)?.ino ?? null;
}

function statOf(file: string): fs.Stats | null {
  try {
    return fs.lstatSync(file);
  } catch {
    return null;
  }
}
