//! `--qlog`: the segments of the largest conversations as events of qlog (draft-ietf-quic-qlog-main-schema, version 0.3), for viewers such
//! as qvis. KCP is no QUIC: a segment is told as a packet whose number is its `sn`, an acknowledgement as a packet with an ACK frame.

use serde_json::{Value, json};

use super::causes::{Need, Trigger};
use super::{Diagnosis, Judged};
use crate::session::CLIENT;
use crate::wire::{COMMAND_ACK, COMMAND_PUSH, HEADER, Header};

/// What a trace has at most.
pub const MOST_EVENTS: usize = 500_000;

fn event(at: f64, side: usize, header: &Header) -> Option<Value> {
    let name = match side {
        CLIENT => "transport:packet_sent",
        _ => "transport:packet_received",
    };
    let (frame, length) = match header.command {
        COMMAND_PUSH => (
            json!({"frame_type": "stream", "stream_id": header.conv, "length": header.len}),
            HEADER + header.len as usize,
        ),
        COMMAND_ACK => (
            json!({"frame_type": "ack", "acked_ranges": [[header.sn, header.sn]]}),
            HEADER,
        ),
        _ => return None,
    };
    Some(json!({
        "time": at,
        "name": name,
        "data": {
            "header": {"packet_type": "1RTT", "packet_number": header.sn},
            "raw": {"length": length},
            "frames": [frame],
        },
    }))
}

fn trace(judged: &Judged) -> Value {
    let conversation = &judged.found.conversation;
    let start = conversation.from.unwrap_or(0);
    let millis = |at: i64| (at - start) as f64 / 1e3;
    let mut events: Vec<(i64, Value)> = conversation
        .log
        .iter()
        .flatten()
        .filter_map(|(at, side, header)| Some((*at, event(millis(*at), *side, header)?)))
        .collect();
    for (at, rtt) in &conversation.senders[CLIENT].rtt_curve {
        let data = json!({"latest_rtt": rtt});
        events.push((
            *at,
            json!({"time": millis(*at), "name": "recovery:metrics_updated", "data": data}),
        ));
    }
    for one in judged.resends[CLIENT]
        .iter()
        .filter(|one| one.need == Need::Lost)
    {
        let trigger = match one.trigger {
            Trigger::Timeout => "pto_expired",
            Trigger::Skip => "reordering_threshold",
            Trigger::Early => "time_threshold",
        };
        let data =
            json!({"header": {"packet_type": "1RTT", "packet_number": one.sn}, "trigger": trigger});
        events.push((
            one.at,
            json!({"time": millis(one.at), "name": "recovery:packet_lost", "data": data}),
        ));
    }
    events.sort_by_key(|(at, _)| *at);
    let events: Vec<Value> = events.into_iter().map(|(_, event)| event).collect();
    json!({
        "title": format!("KCP, conv {:#x}", judged.found.conv),
        "description": format!("{} - {}", judged.found.ends[0], judged.found.ends[1]),
        "vantage_point": {"type": "client"},
        "common_fields": {"time_format": "relative", "reference_time": start as f64 / 1e3, "protocol_type": ["KCP"]},
        "events": events,
    })
}

pub fn value(diagnosis: &Diagnosis) -> Value {
    let traces: Vec<Value> = diagnosis.conversations.iter().map(trace).collect();
    json!({"qlog_version": "0.3", "qlog_format": "JSON", "title": "kcp-lab doctor", "traces": traces})
}

#[cfg(test)]
mod tests {
    use super::super::matrix::examine_logged;
    use super::super::plants::{self, Plan};
    use super::*;

    #[test]
    fn events_are_those_of_the_capture_in_the_order_of_time() {
        let packets = plants::run(&Plan::default(), 1, CLIENT);
        let bytes = plants::file(&packets);
        let diagnosis = examine_logged(&bytes);
        let value = value(&diagnosis);
        let events = value["traces"][0]["events"].as_array().unwrap();
        let count = |name: &str| events.iter().filter(|one| one["name"] == name).count();
        let pushed: usize = packets
            .iter()
            .filter(|one| one.side == CLIENT)
            .flat_map(|one| crate::wire::headers(&one.packet).collect::<Vec<_>>())
            .count();
        assert_eq!(count("transport:packet_sent"), pushed);
        assert!(count("transport:packet_received") > 500);
        assert!(count("recovery:metrics_updated") > 500);
        let lost = diagnosis.conversations[0].resends[CLIENT]
            .iter()
            .filter(|one| one.need == Need::Lost);
        assert_eq!(count("recovery:packet_lost"), lost.count());
        let times: Vec<f64> = events
            .iter()
            .map(|one| one["time"].as_f64().unwrap())
            .collect();
        assert!(times.is_sorted());
    }
}
