import type { RuntimeConfig } from '../../config/schema.ts';
import { type CapabilitySets, ownCapabilities } from '../../linux/capabilities.ts';
import { ReleaseError } from './release-error.ts';
import type { TargetUser } from './target-user.ts';

/**
 * Throws ReleaseError if zero cannot give the service the capabilities of the config. A process can give only those in
 * its permitted set that its bounding or inheritable set also contains (capabilities(7)).
 * @param own zero's capabilities; null: unknown, so setpriv(1) reports the failure
 */
export function requireCapabilities(
  { capabilities }: Pick<RuntimeConfig, 'capabilities'>,
  user: Pick<TargetUser, 'uid'> | null,
  own: CapabilitySets | null = ownCapabilities(),
  ownUid: number = process.geteuid?.() ?? 0,
): void {
  if (capabilities.length === 0) return;
  if ((user?.uid ?? ownUid) === 0)
    throw new ReleaseError(
      'capabilities',
      'capabilities have no effect: the service would run as root, which already has all of them. Set runtime.user to another user',
    );
  if (own === null) return;
  const available = own.permitted & (own.bounding | own.inheritable);
  const missing = capabilities
    .filter(({ number }) => ((available >> BigInt(number)) & 1n) === 0n)
    .map(({ name }) => name);
  if (missing.length === 0) return;
  const names = missing.join(' ');
  const what = missing.length === 1 ? 'this capability' : 'these capabilities';
  const how =
    ownUid === 0
      ? `Add ${names} to CapabilityBoundingSet= of its unit, or to --cap-add of its container`
      : `Start zero as root, or with AmbientCapabilities=${names} in its unit`;
  throw new ReleaseError(
    'capabilities',
    `cannot give ${names} to the service: zero (uid ${ownUid}) does not have ${what} itself. ${how}`,
  );
}
