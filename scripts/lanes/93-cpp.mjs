// Guests compiled by clang come out as committed.
import { guestLane } from "../guest-lane.mjs";

export default guestLane("cpp");
