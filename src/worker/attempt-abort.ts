import { type AbortReason, AttemptAbortedError } from "../task/failure.ts";

/**
 * An abort controller that is made when somebody looks at its signal. Most handlers never do, and
 * making one for every attempt costs as much as the rest of a short attempt.
 */
export class AttemptAbort {
  #controller: AbortController | undefined;
  #error: AttemptAbortedError | undefined;

  /** Why the handler was told to stop; `undefined` when it was not. */
  get reason(): AbortReason | undefined {
    return this.#error?.reason;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#error) this.#controller.abort(this.#error);
    return this.#controller.signal;
  }

  /** Tells the handler to stop, and why. The first reason stays. */
  abort(reason: AbortReason): void {
    if (this.#error) return;
    this.#error = new AttemptAbortedError(reason);
    this.#controller?.abort(this.#error);
  }
}
