import { isSystemFailure } from '../common/errors.ts';
import { ListenerError } from '../listeners/listener-error.ts';

/** What a report says of an error besides its message: the errno of a refusal, or the stack of a defect. */
export function causeOf(error: unknown): { errno?: string; stack?: string } {
  const errno = error instanceof ListenerError ? error.code : isSystemFailure(error) ? error.code : null;
  if (errno !== null) return { errno };
  const isForeseen = error instanceof ListenerError;
  return isForeseen || !(error instanceof Error) || error.stack === undefined ? {} : { stack: error.stack };
}
