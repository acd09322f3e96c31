import { InvalidOptionsError } from "../base/errors.ts";
import { FinalError } from "../task/failure.ts";

/**
 * What `make` returns: something that a definition's function computed from the input, checked.
 *
 * @throws FinalError (`FINAL_ERROR`) instead of InvalidOptionsError: what is wrong now would be
 *   wrong the next time.
 */
export function computed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof InvalidOptionsError) throw new FinalError(error.message, { cause: error });
    throw error;
  }
}
