import { errorCode, isSystemFailure } from '../common/errors.ts';
import { formatHostPort } from '../common/host-port.ts';
import type { ListenerConfig } from '../config/schema.ts';
import type { Holder } from './diagnosis/holders.ts';

/**
 * A listener could not be opened or changed. The message contains the step, the address, the errno and advice, e.g.
 * `bind tcp 127.0.0.1:80: EACCES: ports below 1024 need root or CAP_NET_BIND_SERVICE ...`.
 */
export class ListenerError extends Error {
  override readonly name = 'ListenerError';
  /** The listener's name in the config. */
  readonly listener: string;
  /** The errno name (`EADDRINUSE`), or null where zero itself refused. */
  readonly code: string | null;
  /** The foreign socket that is in the way. Null where none is known. */
  readonly holder: Holder | null;

  constructor(listener: string, message: string, cause?: unknown, holder: Holder | null = null) {
    super(message, { cause });
    this.listener = listener;
    this.holder = holder;
    this.code = errorCode(cause);
  }
}

/** Whether the kernel or zero refused an operation. Any other error is a bug. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ListenerError || isSystemFailure(error);
}

/**
 * The address of a listener as error messages name it, as written in the config: `tcp 127.0.0.1:80`, `unix
 * /run/app.sock`.
 */
export function nameAddress(config: ListenerConfig): string {
  const address = config.address;
  if (address.kind === 'passed') return `systemd ${address.name}`;
  if (address.kind === 'unix') return `${address.network} ${address.path}`;
  return `${address.network} ${formatHostPort(address)}`;
}

/** What a report adds to an error's message: the errno of a refusal, or the stack of a bug. */
export function causeOf(error: unknown): { errno?: string; stack?: string } {
  const errno = error instanceof ListenerError ? error.code : isSystemFailure(error) ? error.code : null;
  if (errno !== null) return { errno };
  const isForeseen = error instanceof ListenerError;
  return isForeseen || !(error instanceof Error) || error.stack === undefined ? {} : { stack: error.stack };
}
