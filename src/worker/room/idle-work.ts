/** The idle tasks that run in this process: what they use must not be held against them. */
export class IdleWork {
  #running = 0;
  #preemptible = 0;
  #ran = false;

  /** Whether any run that can be given back. */
  get canPreempt(): boolean {
    return this.#preemptible > 0;
  }

  /** One begins; call what it returns when it has ended. */
  begin(preemptible: boolean): () => void {
    const counted = preemptible ? 1 : 0;
    this.#running += 1;
    this.#preemptible += counted;
    this.#ran = true;
    return () => {
      this.#running -= 1;
      this.#preemptible -= counted;
    };
  }

  /** Whether any ran since this was asked last. */
  ranSinceAsked(): boolean {
    const ran = this.#ran;
    this.#ran = this.#running > 0;
    return ran;
  }
}
