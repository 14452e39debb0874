import { sentences } from "../../i18n/catalogue.ts"
import type { Fault } from "./protocol.ts"
import { code } from "./sentences.ts"

const MOST_EXPECTED = 6

function syntax({ found, expected, message }: Fault): string {
  const said = sentences(code).fault
  // Mermaid's own names of tokens help if they are few; a list of thirty does not.
  const possible = expected.length > 0 && expected.length <= MOST_EXPECTED ? said.expected(expected.join(", ")) : ""
  const what = found ? said.unexpected(found) : expected.length > 0 ? said.ended : firstLine(message) || said.other
  return possible ? `${what}. ${possible}` : what
}

const firstLine = (message: string): string => message.split("\n")[0]?.replace(/^Error: /, "") ?? ""

/** A fault in words, without its line. */
export function faultText(fault: Fault): string {
  const said = sentences(code).fault
  switch (fault.kind) {
    case "syntax":
      return syntax(fault)
    case "unknown-type":
      return said.unknownType
    case "too-large":
      return said.tooLarge
    case "too-slow":
      return said.tooSlow
    case "unavailable":
      return said.unavailable
    default:
      return firstLine(fault.message) || said.other
  }
}
