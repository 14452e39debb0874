/** A part that is loaded when it is first needed. Until then `get` gives null, and listeners hear when it has come. */
export function onDemand<T>(load: () => Promise<T>) {
  let loaded: T | null = null
  let loading = false
  const listeners = new Set<() => void>()

  async function fetch(): Promise<void> {
    try {
      loaded = await load()
      for (const listener of listeners) listener()
    } catch {
      loading = false // without the network: tried again when it is needed again
    }
  }

  return {
    /** What is there, without loading it. */
    peek: (): T | null => loaded,
    get(): T | null {
      if (!loaded && !loading) {
        loading = true
        void fetch()
      }
      return loaded
    },
    subscribe(listener: () => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
