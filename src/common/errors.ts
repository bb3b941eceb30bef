/** The text of an error in a message: its own message. A thrown value that is not an Error is shown as it is. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of an error: the name of the errno (`EACCES`) of a failed call, or a code of Node. null: it has none. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** The reason of a failure in one word where there is one: the code of the error, else its message. */
export function reasonOf(error: unknown): string {
  // A host name with several addresses fails with one error for all of them, and its message is empty.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return errorCode(error) ?? errorText(error);
}
