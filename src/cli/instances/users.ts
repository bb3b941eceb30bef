import { lookupUser } from '../../linux/users.ts';

/** A user's name, or the number where it has none. */
export function userName(uid: number): string {
  try {
    const user = lookupUser(String(uid));
    return user?.uid === uid ? user.name : String(uid);
  } catch {
    return String(uid);
  }
}
