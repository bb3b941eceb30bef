import type { Environment, Self } from '../handed/claim.ts';
import { claimsFor } from './specification.ts';

/** `process.permission` of a process under Node's permission model. */
interface Permission {
  has(scope: string, reference?: string): boolean;
}

/**
 * Why Node's permission model (`--permission`, `--experimental-permission` on Node 20) prevents this module from
 * inspecting the sockets, with the flags that allow it. Null if the model is off, allows the access, or no socket was
 * passed on. Throws HandedError if a variable is malformed.
 */
export function permissionProblem(
  environment: Environment,
  self: Self & { readonly permission?: Permission },
): string | null {
  const { permission } = self;
  if (permission === undefined || permission.has('fs.read', '/proc/self/fd/3')) return null;
  if (claimsFor(environment, self).length === 0) return null;
  return (
    "Node's permission model does not let this process read /proc, where its sockets are described. " +
    'Add --allow-fs-read=/proc/, and --allow-addons so that it can report readiness on NOTIFY_SOCKET'
  );
}
