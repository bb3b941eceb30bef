import { quoted } from '../../common/text.ts';
import { overlaps } from '../address.ts';
import { type Finding, formatPath, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';

/** The admin endpoint has an address of its own. */
export function adminRules({ application, service }: ConfigParts): Finding[] {
  const address = application?.admin?.address;
  if (address === undefined) return [];
  const index = (service?.listeners ?? []).findIndex(
    (listener) => listener?.address !== undefined && overlaps(listener.address, address),
  );
  if (index === -1) return [];
  const place = formatPath(['service', 'listeners', index]);
  const problem = `${quoted(address.text)} is ${place}, which belongs to the service: give it an address of its own`;
  return [wrongValue(['application', 'admin', 'address'], problem)];
}
