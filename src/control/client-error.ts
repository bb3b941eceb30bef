/**
 * Why a request got no answer that can be used.
 * - `no_instance`: nobody listens there
 * - `denied`: this user may not
 * - `untrusted`: the process that listens there may belong to an attacker, and was sent nothing
 * - `silent`: it listens and does not answer
 * - `gone`: it exited before the answer was complete
 * - `refused`: it answered with an error
 * - `incompatible`: its version of the protocol is too far from this one
 * - `strange`: it answered something else than the protocol has
 */
export type ClientProblem =
  | 'no_instance'
  | 'denied'
  | 'untrusted'
  | 'silent'
  | 'gone'
  | 'refused'
  | 'incompatible'
  | 'strange';

export class ClientError extends Error {
  readonly problem: ClientProblem;
  /** The error's code where the supervisor refused. */
  readonly code: string | null;

  constructor(problem: ClientProblem, message: string, code: string | null = null) {
    super(message);
    this.problem = problem;
    this.code = code;
  }
}

/** What a failed connect(2), or a connection that broke, means. */
export function connectionError(path: string, error: NodeJS.ErrnoException): ClientError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTDIR':
      return new ClientError('no_instance', `no zero is listening on ${path}`);
    case 'EACCES':
    case 'EPERM':
      return new ClientError(
        'denied',
        `control socket ${path}: permission denied: run this command as the user of that zero or as root, or allow a group with application.control.group`,
      );
    case 'ECONNRESET':
    case 'EPIPE':
      return new ClientError(
        'gone',
        `zero exited before it answered (control socket ${path}: ${error.code})`,
      );
    default:
      return new ClientError('gone', `control socket ${path}: ${error.code ?? error.message}`);
  }
}
