export type { ChangeListener, MemoryStorage, MemoryStorageOptions } from "./memory-storage.ts";
export { createMemoryStorage, openMemoryStore } from "./memory-storage.ts";
