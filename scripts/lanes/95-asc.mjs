// Guests compiled by asc come out as committed.
import { guestLane } from "../guest-lane.mjs";

export default guestLane("asc");
