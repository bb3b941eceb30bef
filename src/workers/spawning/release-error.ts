/** What of a release is wrong: the key of the config that it is about. */
export type ReleaseStep =
  | 'directory'
  | 'path'
  | 'environment_file'
  | 'user'
  | 'limits'
  | 'no_new_privs'
  | 'capabilities'
  | 'launcher';

/** Why a release cannot be started. The message names the thing, the errno and what to do; it never holds a variable's value. */
export class ReleaseError extends Error {
  readonly step: ReleaseStep;

  constructor(step: ReleaseStep, message: string) {
    super(message);
    this.name = 'ReleaseError';
    this.step = step;
  }
}
