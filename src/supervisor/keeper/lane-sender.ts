// A separate program that a keeper starts. It sends the keeper's descriptors to the Unix socket in its argument. See
// sender-order.ts.

import { isSystemFailure } from '../../common/errors.ts';
import { sendDatagram } from '../../linux/datagrams.ts';
import { descriptorsOf, socketInode } from '../../linux/socket-holder.ts';
import { VAULT_FD } from './keeper-script.ts';
import { LAST } from './sender-order.ts';
import { isVaultLink } from './vault.ts';

/** unix(7): SCM_MAX_FD is 253. */
const MAX_BATCH = 250;
/** The receiver's queue has 10 places (net.unix.max_dgram_qlen). If it is full, the sender tries again. */
const PAUSE = 5;
const MAX_ATTEMPTS = 400;

const [, , receiver = ''] = process.argv;
const kept = descriptorsOf('self')
  .filter(({ fd, link }) => fd >= VAULT_FD && (socketInode(link) !== null || isVaultLink(link)))
  .map(({ fd }) => fd);
for (let at = 0; at < kept.length; at += MAX_BATCH) send('sockets', kept.slice(at, at + MAX_BATCH));
send(LAST, []);

function send(text: string, fds: readonly number[]): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      sendDatagram(receiver, text, fds);
      return;
    } catch (error) {
      if (!(isSystemFailure(error) && error.code === 'EAGAIN') || attempt >= MAX_ATTEMPTS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
    }
  }
}
