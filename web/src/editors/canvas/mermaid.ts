/** Stands in Excalidraw for its converter (build/plugins.ts), which runs Mermaid: that runs in the frame. */
import { convert } from "../code/frame.ts"

// The configuration that Excalidraw passes is left out: it sets the limits, which the frame has of its own.
export function parseMermaidToExcalidraw(definition: string): ReturnType<typeof convert> {
  return convert(definition)
}
