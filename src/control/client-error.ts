/**
 * Why a request got no usable answer.
 * - `no_instance`: no process listens there
 * - `denied`: this user has no permission
 * - `untrusted`: the process that listens there may belong to an attacker, and received nothing
 * - `silent`: it listens but does not answer
 * - `gone`: it exited before the answer was complete
 * - `refused`: it answered with an error
 * - `incompatible`: its protocol version is too old or too new
 * - `strange`: its answer does not follow the protocol
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
  /** The error's code if the supervisor refused. */
  readonly code: string | null;

  constructor(problem: ClientProblem, message: string, code: string | null = null) {
    super(message);
    this.problem = problem;
    this.code = code;
  }
}

/** The meaning of a failed connect(2), or of a broken connection. */
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
        `control socket ${path}: permission denied. Run this command as the user of that zero or as root, or allow a group with application.control.group`,
      );
    case 'ECONNRESET':
    case 'EPIPE':
      return new ClientError(
        'gone',
        `zero closed the connection before it answered (control socket ${path}: ${error.code}). Check its log.`,
      );
    default:
      return new ClientError('gone', `control socket ${path}: ${error.code ?? error.message}`);
  }
}
