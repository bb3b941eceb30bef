/** The config key that a problem of a release belongs to. */
export type ReleaseStep =
  | 'directory'
  | 'path'
  | 'environment_file'
  | 'user'
  | 'limits'
  | 'no_new_privs'
  | 'capabilities'
  | 'launcher';

/**
 * Why a release cannot be started. The message contains the subject, the errno and advice, but never a variable's
 * value.
 */
export class ReleaseError extends Error {
  readonly step: ReleaseStep;

  constructor(step: ReleaseStep, message: string) {
    super(message);
    this.name = 'ReleaseError';
    this.step = step;
  }
}
