import type { IncomingHttpHeaders } from 'node:http';
import { HEADER, type Identity, isCompatible, PROTOCOL_WITHOUT_HEADER, parseProtocol } from './version.ts';

/** A release and its protocol version. */
export interface Speaker {
  readonly version: string;
  readonly protocol: number;
}

/** The supervisor according to the headers of an answer. */
export interface Supervisor {
  readonly protocol: number;
  /** null: a supervisor that is older than the headers. */
  readonly identity: Identity | null;
}

/** Reads the headers of an answer; null if they are not those of a supervisor. */
export function supervisorOf(headers: IncomingHttpHeaders): Supervisor | null {
  const [protocol, version, name, pid] = [HEADER.protocol, HEADER.version, HEADER.name, HEADER.pid].map(
    (header) => headers[header.toLowerCase()],
  );
  if (protocol === undefined) return { protocol: PROTOCOL_WITHOUT_HEADER, identity: null };
  const number = parseProtocol(String(protocol));
  if (number === null) return null;
  const identity = { version: String(version), name: String(name), pid: Number(pid) };
  return { protocol: number, identity };
}

/** Why a command cannot control a supervisor, and the remedy; null if they are compatible. */
export function explainDistance(command: Speaker, supervisor: Supervisor): string | null {
  if (isCompatible(command.protocol, supervisor.protocol)) return null;
  const { identity } = supervisor;
  const other = `the zero command of ${identity ? `version ${identity.version}` : 'its version'}`;
  return command.protocol < supervisor.protocol
    ? `${versions(command, supervisor)}, which is too old to control it. Use ${other}.`
    : `${versions(command, supervisor)}, which is too new to control it. Restart the instance, or use ${other}.`;
}

/** The addition to an error that may come from a difference of releases; empty if there is none. */
export function explainDifference(command: Speaker, supervisor: Supervisor): string {
  if (supervisor.identity?.version === command.version) return '';
  return ` (${versions(command, supervisor)})`;
}

function versions({ version }: Speaker, { identity }: Supervisor): string {
  const running = identity
    ? `zero ${identity.version} runs as ${identity.name} (pid ${identity.pid})`
    : 'an earlier version of zero runs there';
  return `${running}, this command is zero ${version}`;
}
