CREATE TABLE public.annex_decision (
    job_id uuid NOT NULL,
    dataset_type character varying NOT NULL,
    large boolean NOT NULL
);
CREATE TABLE public.breaker (
    label character varying NOT NULL,
    failures integer NOT NULL,
    trips integer NOT NULL,
    open_until double precision,
    reason character varying NOT NULL,
    changed_at double precision NOT NULL
);
CREATE TABLE public.catalog_data_id (
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    dimension character varying NOT NULL COLLATE pg_catalog."C",
    ordinal integer NOT NULL,
    word character varying COLLATE pg_catalog."C",
    number double precision,
    until double precision,
    gap double precision
);
CREATE TABLE public.catalog_dataset (
    uid character varying NOT NULL COLLATE pg_catalog."C",
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    event_uid character varying NOT NULL COLLATE pg_catalog."C",
    dataset_type character varying NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.catalog_datum (
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    datum_id character varying NOT NULL COLLATE pg_catalog."C",
    resource_uid character varying NOT NULL COLLATE pg_catalog."C",
    kwargs text NOT NULL
);
CREATE TABLE public.catalog_descriptor (
    uid character varying NOT NULL COLLATE pg_catalog."C",
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    "time" double precision NOT NULL,
    stream character varying NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
CREATE TABLE public.catalog_event (
    uid character varying NOT NULL COLLATE pg_catalog."C",
    descriptor_uid character varying NOT NULL COLLATE pg_catalog."C",
    seq_num bigint NOT NULL,
    "time" double precision NOT NULL,
    data text NOT NULL,
    timestamps text NOT NULL,
    filled text
);
CREATE TABLE public.catalog_page (
    descriptor_uid character varying NOT NULL COLLATE pg_catalog."C",
    ordinal integer NOT NULL,
    skipped bigint NOT NULL,
    n_events integer NOT NULL,
    head bytea NOT NULL,
    data bytea NOT NULL,
    timestamps bytea NOT NULL,
    filled bytea NOT NULL
);
CREATE TABLE public.catalog_resource (
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    uid character varying NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);
CREATE TABLE public.catalog_run (
    uid character varying NOT NULL COLLATE pg_catalog."C",
    "time" double precision NOT NULL,
    scan_id bigint,
    task character varying COLLATE pg_catalog."C",
    label character varying COLLATE pg_catalog."C",
    owner character varying COLLATE pg_catalog."C",
    exit_status character varying COLLATE pg_catalog."C",
    stop_time double precision,
    start jsonb NOT NULL,
    stop jsonb,
    start_exact text,
    stop_exact text,
    odd boolean NOT NULL,
    packed_at double precision
);
CREATE TABLE public.catalog_stream (
    run_uid character varying NOT NULL COLLATE pg_catalog."C",
    name character varying NOT NULL COLLATE pg_catalog."C",
    shapes text NOT NULL,
    n_events bigint NOT NULL
);
CREATE TABLE public.claim (
    target_id uuid NOT NULL,
    claim_no integer NOT NULL,
    worker character varying NOT NULL,
    pid integer NOT NULL,
    send_no integer NOT NULL,
    started_at double precision NOT NULL,
    ended_at double precision,
    "end" character varying(16),
    reason character varying,
    log character varying,
    metadata json,
    pid_started double precision
);
CREATE TABLE public.firing (
    job_id uuid NOT NULL,
    schedule_id uuid NOT NULL,
    due_at double precision NOT NULL,
    state character varying(16) NOT NULL,
    lane character varying(16) NOT NULL,
    definition json NOT NULL,
    missed integer NOT NULL,
    fired_at double precision NOT NULL,
    fired_by character varying NOT NULL,
    attempts integer NOT NULL,
    not_before double precision,
    lease_until double precision,
    lease_holder character varying,
    started_at double precision,
    ended_at double precision,
    told character varying
);
CREATE TABLE public.intent (
    dataset_id uuid NOT NULL,
    target_id uuid NOT NULL,
    claim_no integer NOT NULL,
    dataset_type character varying NOT NULL,
    run character varying NOT NULL,
    data_id json NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    scan_id bigint NOT NULL,
    task character varying NOT NULL,
    repo character varying NOT NULL,
    "out" character varying NOT NULL,
    run character varying NOT NULL,
    "user" character varying NOT NULL,
    phase character varying(16) NOT NULL,
    overrides json NOT NULL,
    config json NOT NULL,
    config_digest character varying NOT NULL,
    options json NOT NULL,
    versions json NOT NULL,
    collections json NOT NULL,
    n_targets integer NOT NULL,
    n_open integer NOT NULL,
    n_failed integer NOT NULL,
    n_aborted integer NOT NULL,
    created_at double precision NOT NULL,
    queued_at double precision,
    started_at double precision,
    ended_at double precision,
    destruction_at double precision,
    parent_id uuid,
    cancel_requested boolean NOT NULL,
    error character varying,
    traceparent character varying,
    token_handle character varying,
    CONSTRAINT ck_job_open_targets CHECK (((n_open >= 0) AND (n_open <= n_targets)))
);
CREATE TABLE public.notice (
    id character varying NOT NULL,
    job_id uuid NOT NULL,
    target_id uuid NOT NULL,
    body json NOT NULL,
    routing_key character varying NOT NULL,
    created_at double precision NOT NULL,
    send_lease_until double precision,
    sent_at double precision
);
CREATE TABLE public.parked (
    id uuid NOT NULL,
    digest character varying NOT NULL,
    kind character varying NOT NULL,
    reason character varying NOT NULL,
    fingerprint character varying NOT NULL,
    queue character varying NOT NULL,
    task character varying,
    headers json,
    raw bytea NOT NULL,
    worker character varying NOT NULL,
    count integer NOT NULL,
    first_at double precision NOT NULL,
    last_at double precision NOT NULL,
    discarded_at double precision
);
CREATE TABLE public.product (
    dataset_id uuid NOT NULL,
    target_id uuid NOT NULL,
    claim_no integer NOT NULL,
    dataset_type character varying NOT NULL,
    data_id json NOT NULL,
    large boolean NOT NULL,
    url character varying,
    byte_size bigint,
    sha256 character varying(64),
    etag character varying,
    mime_type character varying,
    delivered_at double precision
);
CREATE TABLE public.schedule (
    id uuid NOT NULL,
    name character varying NOT NULL,
    definition json,
    next_due double precision,
    since double precision NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    source character varying NOT NULL,
    error character varying,
    changed_at double precision NOT NULL,
    changed_by character varying NOT NULL,
    removed_at double precision,
    looked_at double precision
);
CREATE TABLE public.submission (
    job_id uuid NOT NULL,
    repo character varying NOT NULL,
    "out" character varying NOT NULL,
    run character varying NOT NULL,
    own_run boolean NOT NULL,
    "user" character varying NOT NULL,
    created_at double precision NOT NULL,
    taken_at double precision
);
CREATE TABLE public.sweep_state (
    name character varying NOT NULL,
    at double precision NOT NULL,
    body json
);
CREATE TABLE public.target (
    id uuid NOT NULL,
    job_id uuid NOT NULL,
    ordinal integer NOT NULL,
    state character varying(16) NOT NULL,
    task character varying NOT NULL,
    queue character varying NOT NULL,
    data_id json NOT NULL,
    args json NOT NULL,
    digest character varying(64) NOT NULL,
    argsrepr character varying NOT NULL,
    kwargsrepr character varying NOT NULL,
    queued_at double precision NOT NULL,
    send_no integer NOT NULL,
    sent_at double precision,
    send_lease_until double precision,
    claim_no integer NOT NULL,
    deaths integer NOT NULL,
    worker_deaths integer NOT NULL,
    transient_retries integer NOT NULL,
    not_before double precision,
    lease_until double precision,
    lease_worker character varying,
    lease_pid integer,
    started_at double precision,
    ended_at double precision,
    exit_status integer,
    error_type character varying,
    error_text character varying,
    seconds double precision,
    scalars json,
    cancel_requested boolean DEFAULT false NOT NULL,
    waiting_since double precision,
    waiting_reason character varying,
    replayed_as uuid,
    discarded_at double precision,
    fingerprint character varying,
    checked_at double precision
);
CREATE TABLE public.token (
    handle character varying NOT NULL,
    "user" character varying NOT NULL,
    ciphertext bytea NOT NULL,
    expires_at double precision NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.underbutler_revision (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.upload (
    bucket character varying NOT NULL,
    key character varying NOT NULL,
    target_id uuid NOT NULL,
    claim_no integer NOT NULL,
    created_at double precision NOT NULL,
    cleaned_at double precision
);
CREATE TABLE public.worker (
    id character varying NOT NULL,
    name character varying NOT NULL,
    host character varying NOT NULL,
    pid integer NOT NULL,
    keeper_pid integer NOT NULL,
    queue character varying NOT NULL,
    concurrency integer NOT NULL,
    started_at double precision NOT NULL,
    seen_at double precision NOT NULL,
    ended_at double precision,
    unfit_reason character varying,
    unfit_since double precision
);
INSERT INTO public.catalog_data_id VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 'detector', 0, NULL, 0, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 'instrument', 0, 'SIMCAM', NULL, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'exposure', 1, NULL, 2026051603269.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 'exposure', 0, NULL, 2026051603268.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 'exposure', 0, NULL, 2026051603268.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 'exposure', 0, NULL, 2026051603268.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 5, NULL, 2026051603273.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 'exposure', 1, NULL, 2026051603269.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'exposure', 0, NULL, 2026051603268.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 'exposure', 1, NULL, 2026051603269.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 'exposure', 2, NULL, 2026051603270.6963, NULL, NULL);
INSERT INTO public.catalog_data_id VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'exposure', 0, NULL, 2026051603268.6963, 2026051603269.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 0, NULL, 2026051603268.6963, 2026051603269.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 1, NULL, 2026051603269.6963, 2026051603270.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 2, NULL, 2026051603270.6963, 2026051603271.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 3, NULL, 2026051603271.6963, 2026051603272.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 'exposure', 4, NULL, 2026051603272.6963, 2026051603273.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 'exposure', 0, NULL, 2026051603268.6963, 2026051603269.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 'exposure', 0, NULL, 2026051603268.6963, 2026051603269.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 'exposure', 0, NULL, 2026051603268.6963, 2026051603269.6963, 1);
INSERT INTO public.catalog_data_id VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 'exposure', 1, NULL, 2026051603269.6963, 2026051603270.6963, 1);
INSERT INTO public.catalog_dataset VALUES ('1ae4eefa-e768-5a73-8b42-e522bd43de14', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 'upTable');
INSERT INTO public.catalog_dataset VALUES ('bed786a2-35bb-5dad-8d43-fc22f00398bf', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 'upPicture');
INSERT INTO public.catalog_dataset VALUES ('4035dbd9-3be8-5285-9e22-60295f88b01f', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 'upWrite_metadata');
INSERT INTO public.catalog_dataset VALUES ('e549d8a6-197a-56b9-904f-ec409daee0ee', '1438009c-b2e5-4322-860d-f1ea03bd73c4', '4f046148-0d7d-48c1-b560-4353afb139e6', 'upFail_metadata');
INSERT INTO public.catalog_dataset VALUES ('7afb4ecb-dd97-56a2-b144-d32dae22ef0a', 'afe48307-509c-4e90-9aa3-6a49b6774702', '2493ba7f-2df5-46a3-8ccf-a512bb571cee', 'upNothing_metadata');
INSERT INTO public.catalog_dataset VALUES ('71b3d4b4-f867-5dfa-ba21-d2d2ebf8d156', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 'upTable');
INSERT INTO public.catalog_dataset VALUES ('42a057f3-045e-5a11-951f-295204528f51', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 'upPicture');
INSERT INTO public.catalog_dataset VALUES ('10b2b27c-8864-55b1-8d29-794ab0b068b4', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 'upWrite_metadata');
INSERT INTO public.catalog_dataset VALUES ('07fd9419-4f9e-51f3-8468-5e8a36e8e3e6', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'b141499f-85d0-448f-875a-3e433bf7c81b', 'upTable');
INSERT INTO public.catalog_dataset VALUES ('9058c397-99c5-545a-b049-90a618e795d3', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'b141499f-85d0-448f-875a-3e433bf7c81b', 'upPicture');
INSERT INTO public.catalog_dataset VALUES ('d60ad279-59cc-58eb-affd-c63ddc726e33', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'b141499f-85d0-448f-875a-3e433bf7c81b', 'upWrite_metadata');
INSERT INTO public.catalog_datum VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'bed786a2-35bb-5dad-8d43-fc22f00398bf/0', 'bed786a2-35bb-5dad-8d43-fc22f00398bf', '{}');
INSERT INTO public.catalog_datum VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', '42a057f3-045e-5a11-951f-295204528f51/0', '42a057f3-045e-5a11-951f-295204528f51', '{}');
INSERT INTO public.catalog_datum VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', '9058c397-99c5-545a-b049-90a618e795d3/0', '9058c397-99c5-545a-b049-90a618e795d3', '{}');
INSERT INTO public.catalog_descriptor VALUES ('6cb59f1e-80cd-5978-b7af-3dfb125d822f', '15ce126f-8179-42c6-8861-eaab49fa1ad7', 1735689539.261687, 'primary', '{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "seconds", "upPicture"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "6cb59f1e-80cd-5978-b7af-3dfb125d822f", "run_start": "15ce126f-8179-42c6-8861-eaab49fa1ad7", "time": 1796086271.565501, "name": "primary", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "seconds": {"source": "records", "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "s"}, "upPicture": {"source": "annex", "dtype": "array", "shape": [], "external": "ANNEX:"}}}');
INSERT INTO public.catalog_descriptor VALUES ('0abd162d-aa3a-5c73-9a41-8baadc069538', '1438009c-b2e5-4322-860d-f1ea03bd73c4', 1735689540.385314, 'problems', '{"object_keys": {"upFail": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upFail": {"fields": []}}, "uid": "0abd162d-aa3a-5c73-9a41-8baadc069538", "run_start": "1438009c-b2e5-4322-860d-f1ea03bd73c4", "time": 1796086272.689128, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO public.catalog_descriptor VALUES ('7849940b-177b-541c-b562-a2661b42bf72', 'afe48307-509c-4e90-9aa3-6a49b6774702', 1735689541.229291, 'problems', '{"object_keys": {"upNothing": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upNothing": {"fields": []}}, "uid": "7849940b-177b-541c-b562-a2661b42bf72", "run_start": "afe48307-509c-4e90-9aa3-6a49b6774702", "time": 1796086273.533105, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO public.catalog_descriptor VALUES ('dabbc9ff-3e57-5034-abbf-b944780346ef', '62d56665-4f69-4b58-8ac7-66bcb8232c7e', 1735689542.676523, 'problems', '{"object_keys": {"upDie": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upDie": {"fields": []}}, "uid": "dabbc9ff-3e57-5034-abbf-b944780346ef", "run_start": "62d56665-4f69-4b58-8ac7-66bcb8232c7e", "time": 1796086274.980337, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO public.catalog_descriptor VALUES ('3bae8051-96ca-5d45-89ac-f84c8e42c69c', 'dcca0552-0499-4202-bc67-b32a92f9081c', 1735689577.3409162, 'problems', '{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "3bae8051-96ca-5d45-89ac-f84c8e42c69c", "run_start": "dcca0552-0499-4202-bc67-b32a92f9081c", "time": 1796086309.64473, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO public.catalog_descriptor VALUES ('3e1e941b-0ee1-54f7-b831-4719d062d9c6', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 1735689585.677659, 'primary', '{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "seconds", "upPicture"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "3e1e941b-0ee1-54f7-b831-4719d062d9c6", "run_start": "a3ec8b8e-5264-4c7f-9799-21c7691c5107", "time": 1796086317.981473, "name": "primary", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "seconds": {"source": "records", "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "s"}, "upPicture": {"source": "annex", "dtype": "array", "shape": [], "external": "ANNEX:"}}}');
INSERT INTO public.catalog_event VALUES ('813e19bd-933d-4e15-93a3-50e58cbc3cd9', '6cb59f1e-80cd-5978-b7af-3dfb125d822f', 1, 1735689539.261687, '{"target": 1, "detector": 0, "exposure": 2026112000002, "instrument": "SIMCAM", "seconds": 1.693, "upPicture": "bed786a2-35bb-5dad-8d43-fc22f00398bf/0"}', '{"target": 1796086271.565501, "detector": 1796086271.565501, "exposure": 1796086271.565501, "instrument": 1796086271.565501, "seconds": 1796086271.565501, "upPicture": 1796086271.565501}', '{"upPicture": false}');
INSERT INTO public.catalog_event VALUES ('4f046148-0d7d-48c1-b560-4353afb139e6', '0abd162d-aa3a-5c73-9a41-8baadc069538', 1, 1735689540.385314, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "failed", "error_type": "ArithmeticError", "reason": "this exposure cannot be reduced"}', '{"target": 1796086272.689128, "detector": 1796086272.689128, "exposure": 1796086272.689128, "instrument": 1796086272.689128, "exit_status": 1796086272.689128, "error_type": 1796086272.689128, "reason": 1796086272.689128}', NULL);
INSERT INTO public.catalog_event VALUES ('2493ba7f-2df5-46a3-8ccf-a512bb571cee', '7849940b-177b-541c-b562-a2661b42bf72', 1, 1735689541.229291, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "no_work", "error_type": "", "reason": "nothing to do here"}', '{"target": 1796086273.533105, "detector": 1796086273.533105, "exposure": 1796086273.533105, "instrument": 1796086273.533105, "exit_status": 1796086273.533105, "error_type": 1796086273.533105, "reason": 1796086273.533105}', NULL);
INSERT INTO public.catalog_event VALUES ('8adcdb87-5aa2-4b83-8140-14ac7d61362d', '6cb59f1e-80cd-5978-b7af-3dfb125d822f', 2, 1735689541.742764, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "seconds": 2.157, "upPicture": "42a057f3-045e-5a11-951f-295204528f51/0"}', '{"target": 1796086274.046578, "detector": 1796086274.046578, "exposure": 1796086274.046578, "instrument": 1796086274.046578, "seconds": 1796086274.046578, "upPicture": 1796086274.046578}', '{"upPicture": false}');
INSERT INTO public.catalog_event VALUES ('424ffe19-ade9-4b98-84b1-1191c63154dd', 'dabbc9ff-3e57-5034-abbf-b944780346ef', 1, 1735689542.676523, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "held", "error_type": "Held", "reason": "claim 1 by first@obs1/e3ad703f died: its process 30467 died: signal 9 (SIGKILL)"}', '{"target": 1796086274.980337, "detector": 1796086274.980337, "exposure": 1796086274.980337, "instrument": 1796086274.980337, "exit_status": 1796086274.980337, "error_type": 1796086274.980337, "reason": 1796086274.980337}', NULL);
INSERT INTO public.catalog_event VALUES ('ace9f5fd-d9af-4311-b586-46d2e251ffc3', '3bae8051-96ca-5d45-89ac-f84c8e42c69c', 1, 1735689577.3409162, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "aborted", "error_type": "", "reason": ""}', '{"target": 1796086309.64473, "detector": 1796086309.64473, "exposure": 1796086309.64473, "instrument": 1796086309.64473, "exit_status": 1796086309.64473, "error_type": 1796086309.64473, "reason": 1796086309.64473}', NULL);
INSERT INTO public.catalog_event VALUES ('da0518bc-c2f9-4564-a2f1-a09aa1965201', '3bae8051-96ca-5d45-89ac-f84c8e42c69c', 2, 1735689577.341005, '{"target": 1, "detector": 0, "exposure": 2026112000002, "instrument": "SIMCAM", "exit_status": "aborted", "error_type": "", "reason": ""}', '{"target": 1796086309.644819, "detector": 1796086309.644819, "exposure": 1796086309.644819, "instrument": 1796086309.644819, "exit_status": 1796086309.644819, "error_type": 1796086309.644819, "reason": 1796086309.644819}', NULL);
INSERT INTO public.catalog_event VALUES ('b141499f-85d0-448f-875a-3e433bf7c81b', '3e1e941b-0ee1-54f7-b831-4719d062d9c6', 1, 1735689585.677659, '{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "seconds": 1.351, "upPicture": "9058c397-99c5-545a-b049-90a618e795d3/0"}', '{"target": 1796086317.981473, "detector": 1796086317.981473, "exposure": 1796086317.981473, "instrument": 1796086317.981473, "seconds": 1796086317.981473, "upPicture": 1796086317.981473}', '{"upPicture": false}');
INSERT INTO public.catalog_resource VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'bed786a2-35bb-5dad-8d43-fc22f00398bf', '{"uid": "bed786a2-35bb-5dad-8d43-fc22f00398bf", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-813e19bd-933d-4e15-93a3-50e58cbc3cd9.1.png", "resource_kwargs": {"dataset": "bed786a2-35bb-5dad-8d43-fc22f00398bf", "size": 16, "sha256": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f"}, "path_semantics": "posix", "run_start": "15ce126f-8179-42c6-8861-eaab49fa1ad7"}');
INSERT INTO public.catalog_resource VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', '42a057f3-045e-5a11-951f-295204528f51', '{"uid": "42a057f3-045e-5a11-951f-295204528f51", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-8adcdb87-5aa2-4b83-8140-14ac7d61362d.1.png", "resource_kwargs": {"dataset": "42a057f3-045e-5a11-951f-295204528f51", "size": 16, "sha256": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f"}, "path_semantics": "posix", "run_start": "15ce126f-8179-42c6-8861-eaab49fa1ad7"}');
INSERT INTO public.catalog_resource VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', '9058c397-99c5-545a-b049-90a618e795d3', '{"uid": "9058c397-99c5-545a-b049-90a618e795d3", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-b141499f-85d0-448f-875a-3e433bf7c81b.1.png", "resource_kwargs": {"dataset": "9058c397-99c5-545a-b049-90a618e795d3", "size": 19, "sha256": "611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4"}, "path_semantics": "posix", "run_start": "a3ec8b8e-5264-4c7f-9799-21c7691c5107"}');
INSERT INTO public.catalog_run VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 1735689570.568447, 5, 'upWrite', 'demo', 'ann', NULL, NULL, '{"out": "demo", "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "uid": "57307f5d-0caf-4cc0-b463-55b81252f3c3", "task": "upWrite", "time": 1796086302.872261, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002, 2026112000003, 2026112000004, 2026112000005, 2026112000006], "instrument": "SIMCAM"}, "options": {}, "scan_id": 5, "versions": {}, "overrides": [["words", "running"]], "plan_name": "upWrite", "num_points": 6, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "77540f6e6f9c5c96e4b17f100939d057e4893dc8da236e800d9abc54674091f0"}', NULL, NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 1735689588.8208032, 8, 'upWrite', 'demo', 'ann', NULL, NULL, '{"out": "demo", "run": "u/ann/upWrite/20261201T005200Z-6332002f", "uid": "6332002f-5d82-458d-931b-4512dc0ce6d2", "task": "upWrite", "time": 1796086321.124617, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}, "options": {}, "scan_id": 8, "versions": {}, "overrides": [["words", "delivering"]], "plan_name": "upWrite", "num_points": 2, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "33631bbc9a205f13a4df03389661e0c82fa74db7aa830ee84a046204892b61d3"}', NULL, NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 1735689599.5023692, 9, 'upWrite', 'demo', 'ann', NULL, NULL, '{"out": "demo", "run": "u/ann/upWrite/20261201T005210Z-797b2929", "uid": "797b2929-e8d9-49d7-8dbc-1fbf81848812", "task": "upWrite", "time": 1796086331.806183, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002, 2026112000003], "instrument": "SIMCAM"}, "options": {}, "scan_id": 9, "versions": {}, "overrides": [["words", "unsent"]], "plan_name": "upWrite", "num_points": 3, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "5153a741febd80c040234db1204a11f30992ec9d3f99e668920128cc8f10c777"}', NULL, NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 1735689532.737376, 2, 'upFail', 'demo', 'ann', 'fail', 1735689540.385397, '{"out": "demo", "run": "u/ann/upFail/20261201T005103Z-1438009c", "uid": "1438009c-b2e5-4322-860d-f1ea03bd73c4", "task": "upFail", "time": 1796086265.04119, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}, "options": {}, "scan_id": 2, "versions": {}, "overrides": [["words", "failed"]], "plan_name": "upFail", "num_points": 1, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "b060e47778fc0a9002dacd065e46cca7557ddfdc238c101ab273770a232e0d3e"}', '{"uid": "62d964d8-6cad-5142-881e-3c247408a070", "time": 1796086272.689211, "counts": {"failed": 1}, "reason": "1 failed", "datasets": ["e549d8a6-197a-56b9-904f-ec409daee0ee"], "run_start": "1438009c-b2e5-4322-860d-f1ea03bd73c4", "num_events": {"problems": 1}, "exit_status": "fail", "dataset_counts": {"upFail_metadata": 1}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 1735689533.988063, 3, 'upNothing', 'demo', 'ann', 'success', 1735689541.229378, '{"out": "demo", "run": "u/ann/upNothing/20261201T005105Z-afe48307", "uid": "afe48307-509c-4e90-9aa3-6a49b6774702", "task": "upNothing", "time": 1796086266.291877, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}, "options": {}, "scan_id": 3, "versions": {}, "overrides": [["words", "nothing"]], "plan_name": "upNothing", "num_points": 1, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "6ab875fd4de4926c313382c50c36e9be9497c0be98db17345af344498d60fa6c"}', '{"uid": "2ee1e62b-868d-5fb4-b512-bbbd2de90155", "time": 1796086273.533192, "counts": {"no_work": 1}, "reason": "1 no_work", "datasets": ["7afb4ecb-dd97-56a2-b144-d32dae22ef0a"], "run_start": "afe48307-509c-4e90-9aa3-6a49b6774702", "num_events": {"problems": 1}, "exit_status": "success", "dataset_counts": {"upNothing_metadata": 1}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 1735689535.804431, 4, 'upDie', 'demo', 'ann', 'fail', 1735689542.7189271, '{"out": "demo", "run": "u/ann/upDie/20261201T005106Z-62d56665", "uid": "62d56665-4f69-4b58-8ac7-66bcb8232c7e", "task": "upDie", "time": 1796086268.108245, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}, "options": {}, "scan_id": 4, "versions": {}, "overrides": [["words", "held"]], "plan_name": "upDie", "num_points": 1, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "b2514088e3168af6aca61edf9c75648a2bbcad8ad87c42b7e32aa4688edaa6a7"}', '{"uid": "ed3a9319-dc02-5bd5-865e-204b904406d8", "time": 1796086275.022741, "counts": {"held": 1}, "reason": "1 held", "datasets": [], "run_start": "62d56665-4f69-4b58-8ac7-66bcb8232c7e", "num_events": {"problems": 1}, "exit_status": "fail", "dataset_counts": {}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 1735689528.892955, 1, 'upWrite', 'demo', 'ann', 'success', 1735689541.742854, '{"out": "demo", "run": "u/ann/upWrite/20261201T005057Z-15ce126f", "uid": "15ce126f-8179-42c6-8861-eaab49fa1ad7", "task": "upWrite", "time": 1796086261.196769, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}, "options": {}, "scan_id": 1, "versions": {}, "overrides": [["words", "finished"]], "plan_name": "upWrite", "num_points": 2, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "9adf8cf6d25927bd7298a9d19fab568a6796cc18792652a614750d2b8b9afc2c"}', '{"uid": "6a5eb591-0a47-5782-bb59-d9e730e3620f", "time": 1796086274.046668, "counts": {"done": 2}, "reason": "2 done", "datasets": ["42a057f3-045e-5a11-951f-295204528f51", "71b3d4b4-f867-5dfa-ba21-d2d2ebf8d156", "10b2b27c-8864-55b1-8d29-794ab0b068b4", "bed786a2-35bb-5dad-8d43-fc22f00398bf", "1ae4eefa-e768-5a73-8b42-e522bd43de14", "4035dbd9-3be8-5285-9e22-60295f88b01f"], "run_start": "15ce126f-8179-42c6-8861-eaab49fa1ad7", "num_events": {"primary": 2}, "exit_status": "success", "dataset_counts": {"upTable": 2, "upPicture": 2, "upWrite_metadata": 2}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 1735689576.852072, 6, 'upWrite', 'demo', 'ann', 'abort', 1735689577.374089, '{"out": "demo", "run": "u/ann/upWrite/20261201T005148Z-dcca0552", "uid": "dcca0552-0499-4202-bc67-b32a92f9081c", "task": "upWrite", "time": 1796086309.155886, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}, "options": {}, "scan_id": 6, "versions": {}, "overrides": [["words", "cancelled"]], "plan_name": "upWrite", "num_points": 2, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "9c8a5ed87a70ee4b07786035d8df5be3a68eca1a4fdafe6f734141f60c161ee2"}', '{"uid": "0fb8393c-516c-51b2-8b5f-1046a22a8ede", "time": 1796086309.677903, "counts": {"aborted": 2}, "reason": "2 aborted", "datasets": [], "run_start": "dcca0552-0499-4202-bc67-b32a92f9081c", "num_events": {"problems": 2}, "exit_status": "abort", "dataset_counts": {}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_run VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 1735689578.6881812, 7, 'upWrite', 'demo', 'ann', 'success', 1735689585.6777601, '{"out": "demo", "run": "u/ann/upWrite/20261201T005150Z-a3ec8b8e", "uid": "a3ec8b8e-5264-4c7f-9799-21c7691c5107", "task": "upWrite", "time": 1796086310.991995, "label": "demo", "owner": "ann", "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}, "options": {}, "scan_id": 7, "versions": {}, "overrides": [["words", "unannounced"]], "plan_name": "upWrite", "num_points": 1, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "config_digest": "07d40e381a28f3d24f928e4bfb86ef6e9309aa569dfc13e3ab98e72d5a78a8dd"}', '{"uid": "4acafc5a-2242-50df-8ab3-a8611785a97c", "time": 1796086317.981574, "counts": {"done": 1}, "reason": "1 done", "datasets": ["9058c397-99c5-545a-b049-90a618e795d3", "07fd9419-4f9e-51f3-8468-5e8a36e8e3e6", "d60ad279-59cc-58eb-affd-c63ddc726e33"], "run_start": "a3ec8b8e-5264-4c7f-9799-21c7691c5107", "num_events": {"primary": 1}, "exit_status": "success", "dataset_counts": {"upTable": 1, "upPicture": 1, "upWrite_metadata": 1}}', NULL, NULL, false, NULL);
INSERT INTO public.catalog_stream VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 'problems', '', 1);
INSERT INTO public.catalog_stream VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 'problems', '', 1);
INSERT INTO public.catalog_stream VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 'primary', '', 2);
INSERT INTO public.catalog_stream VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 'problems', '', 1);
INSERT INTO public.catalog_stream VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 'problems', '', 2);
INSERT INTO public.catalog_stream VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'primary', '', 1);
INSERT INTO public.claim VALUES ('b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'alone@obs1', 29608, 1, 1735689583.207349, 1735689585.677659, 'done', NULL, '', NULL, NULL);
INSERT INTO public.claim VALUES ('3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'alone@obs1', 29608, 1, 1735689590.134084, 1735689597.347913, 'given_back', 'AnnexUnavailableError: The annex at http://127.0.0.1:1 does not answer (Could not connect to the endpoint URL: "http://127.0.0.1:1/rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20%3A00%3A37.000-detector%3D0-3953663d-d05b-4a17-a0e8-34bfa7642515.1.png"). Start one with `underbutler up`, or set S3_ENDPOINT_URL.', '', NULL, NULL);
INSERT INTO public.claim VALUES ('8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'alone@obs1', 29608, 1, 1735689597.4777122, 1735689598.396589, 'given_back', 'AnnexUnavailableError: The annex at http://127.0.0.1:1 does not answer (Could not connect to the endpoint URL: "http://127.0.0.1:1/rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20%3A01%3A07.000-detector%3D0-8434790d-a2b9-454f-bd5e-0ed7a11262f9.1.png"). Start one with `underbutler up`, or set S3_ENDPOINT_URL.', '', NULL, NULL);
INSERT INTO public.claim VALUES ('813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'first@obs1/e3ad703f', 30467, 1, 1735689533.568521, 1735689539.261687, 'done', NULL, '2026-12-01T00:51:05.905187Z [info] workers.target: target_started delivering=False worker=first@obs1/e3ad703f pid=30467
2026-12-01T00:51:07.569707Z [warning] underbutler.catalog.layouts: layout_unknown path=/home/ann/repo/u/ann/upWrite/20261201T005057Z-15ce126f/upPicture/20261120/simcam-2026112000002-00/upPicture_SIMCAM_r_simcam-2026112000002-00_D0_u_ann_upWrite_20261201T005057Z-15ce126f.png error=''OSError: Truncated File Read''', NULL, 1735689521.676186);
INSERT INTO public.claim VALUES ('4ee9d9f4-581f-4f38-aae4-4c803a45edce', 1, 'second@obs1/b35a6291', 30734, 1, 1735689573.2975361, NULL, NULL, NULL, NULL, NULL, 1735689566.146186);
INSERT INTO public.claim VALUES ('d59eeb16-eca9-4cd6-8dcd-5df8734c19d8', 1, 'second@obs1/b35a6291', 30781, 1, 1735689573.511822, NULL, NULL, NULL, NULL, NULL, 1735689567.956186);
INSERT INTO public.claim VALUES ('4f046148-0d7d-48c1-b560-4353afb139e6', 1, 'first@obs1/e3ad703f', 30467, 1, 1735689539.798965, 1735689540.385314, 'failed', 'ArithmeticError: this exposure cannot be reduced', '2026-12-01T00:51:12.112584Z [info] workers.target: target_started delivering=False worker=first@obs1/e3ad703f pid=30467
2026-12-01T00:51:12.640995Z [error] underbutler: Traceback (most recent call last):
  File "/opt/underbutler/workers/reducing.py", line 92, in _called
    struct = _call(runner, target)
             ^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/workers/reducing.py", line 115, in _call
    struct = runner(target)
             ^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 214, in __call__
    return self._run_target(args, dataRef, kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 240, in _run_target
    result = self.runTask(task, dataRef, kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 218, in runTask
    return task.runDataRef(dataRef, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/tasks/upgrade_tasks.py", line 49, in runDataRef
    raise ArithmeticError("this exposure cannot be reduced")
ArithmeticError: this exposure cannot be reduced
2026-12-01T00:51:12.642738Z [error] workers.target: target_failed state=failed error=''ArithmeticError: this exposure cannot be reduced'' seconds=0.529', NULL, 1735689521.676186);
INSERT INTO public.claim VALUES ('2493ba7f-2df5-46a3-8ccf-a512bb571cee', 1, 'first@obs1/e3ad703f', 30467, 1, 1735689540.663012, 1735689541.229291, 'no_work', 'nothing to do here', '2026-12-01T00:51:12.972666Z [info] workers.target: target_started delivering=False worker=first@obs1/e3ad703f pid=30467', NULL, 1735689521.676186);
INSERT INTO public.claim VALUES ('424ffe19-ade9-4b98-84b1-1191c63154dd', 1, 'first@obs1/e3ad703f', 30467, 1, 1735689541.404974, 1735689542.676523, 'died', 'its process 30467 died: signal 9 (SIGKILL)', '2026-12-01T00:51:13.724858Z [info] workers.target: target_started delivering=False worker=first@obs1/e3ad703f pid=30467', NULL, 1735689521.676186);
INSERT INTO public.claim VALUES ('8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'first@obs1/e3ad703f', 30462, 1, 1735689535.9067512, 1735689541.742764, 'done', NULL, '2026-12-01T00:51:08.238458Z [info] workers.target: target_started delivering=False worker=first@obs1/e3ad703f pid=30462
2026-12-01T00:51:10.369135Z [warning] underbutler.catalog.layouts: layout_unknown path=/home/ann/repo/u/ann/upWrite/20261201T005057Z-15ce126f/upPicture/20261120/simcam-2026112000001-00/upPicture_SIMCAM_r_simcam-2026112000001-00_D0_u_ann_upWrite_20261201T005057Z-15ce126f.png error=''OSError: Truncated File Read''', NULL, 1735689519.206186);
INSERT INTO public.firing VALUES ('baaa28b2-ffc2-5be1-a9d7-2ad1d05d50c7', '0b678e35-6d43-56f7-899b-9011e470d521', 1735689600.196186, 'waiting', 'submission', '{"name": "nightly", "when": {"every": 600}, "task": "upWrite", "repo": "demo", "id": {"instrument": "SIMCAM", "detector": 0}, "query": "exposure < 2026112000003", "config": {"words": "fired"}, "options": ["--no-versions"]}', 0, 1735689599.803843, 'ann', 0, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.intent VALUES ('1ae4eefa-e768-5a73-8b42-e522bd43de14', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upTable', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689534.169699);
INSERT INTO public.intent VALUES ('4035dbd9-3be8-5285-9e22-60295f88b01f', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689534.169917);
INSERT INTO public.intent VALUES ('bed786a2-35bb-5dad-8d43-fc22f00398bf', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upPicture', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689534.16993);
INSERT INTO public.intent VALUES ('10b2b27c-8864-55b1-8d29-794ab0b068b4', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689536.576095);
INSERT INTO public.intent VALUES ('42a057f3-045e-5a11-951f-295204528f51', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upPicture', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689536.576189);
INSERT INTO public.intent VALUES ('71b3d4b4-f867-5dfa-ba21-d2d2ebf8d156', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upTable', 'u/ann/upWrite/20261201T005057Z-15ce126f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689536.576215);
INSERT INTO public.intent VALUES ('e549d8a6-197a-56b9-904f-ec409daee0ee', '4f046148-0d7d-48c1-b560-4353afb139e6', 1, 'upFail_metadata', 'u/ann/upFail/20261201T005103Z-1438009c', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689540.028142);
INSERT INTO public.intent VALUES ('7afb4ecb-dd97-56a2-b144-d32dae22ef0a', '2493ba7f-2df5-46a3-8ccf-a512bb571cee', 1, 'upNothing_metadata', 'u/ann/upNothing/20261201T005105Z-afe48307', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689540.8354242);
INSERT INTO public.intent VALUES ('8a2fc36b-3d4d-56c7-b117-6be359d9edab', '4ee9d9f4-581f-4f38-aae4-4c803a45edce', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689574.13622);
INSERT INTO public.intent VALUES ('aa6ba37c-64e4-5b02-9fac-b653a8159bcd', '4ee9d9f4-581f-4f38-aae4-4c803a45edce', 1, 'upTable', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689574.136291);
INSERT INTO public.intent VALUES ('fb9a0cb0-7fa9-56ac-9281-10361c90ed67', '4ee9d9f4-581f-4f38-aae4-4c803a45edce', 1, 'upPicture', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689574.136301);
INSERT INTO public.intent VALUES ('03e362da-1c80-57c0-a940-d2f2e447f973', 'd59eeb16-eca9-4cd6-8dcd-5df8734c19d8', 1, 'upPicture', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689574.192431);
INSERT INTO public.intent VALUES ('7a2af1a5-8859-547b-86b9-469e4025570b', 'd59eeb16-eca9-4cd6-8dcd-5df8734c19d8', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689574.192517);
INSERT INTO public.intent VALUES ('e5dc8fa4-d46a-5704-864e-81922e2fc78f', 'd59eeb16-eca9-4cd6-8dcd-5df8734c19d8', 1, 'upTable', 'u/ann/upWrite/20261201T005141Z-57307f5d', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689574.192528);
INSERT INTO public.intent VALUES ('07fd9419-4f9e-51f3-8468-5e8a36e8e3e6', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upTable', 'u/ann/upWrite/20261201T005150Z-a3ec8b8e', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689583.708928);
INSERT INTO public.intent VALUES ('9058c397-99c5-545a-b049-90a618e795d3', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upPicture', 'u/ann/upWrite/20261201T005150Z-a3ec8b8e', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689583.709018);
INSERT INTO public.intent VALUES ('d60ad279-59cc-58eb-affd-c63ddc726e33', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005150Z-a3ec8b8e', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689583.709028);
INSERT INTO public.intent VALUES ('51d0a2c4-8117-5d9e-9b9b-e2b72a129749', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upTable', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689590.347264);
INSERT INTO public.intent VALUES ('782bdd89-e414-59e0-b003-9a0e98a02d16', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689590.3473551);
INSERT INTO public.intent VALUES ('d0db13bb-d957-59a5-a6e2-795344ebead2', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upPicture', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', 1735689590.347366);
INSERT INTO public.intent VALUES ('212de9c1-36b7-575d-9b81-03664bee6132', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upWrite_metadata', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689597.5672061);
INSERT INTO public.intent VALUES ('4c23cddb-8944-5f46-ac28-9e403b6b9704', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upTable', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689597.5672572);
INSERT INTO public.intent VALUES ('ffa96df3-4877-5ccf-9fc2-97dcf0d46c3b', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upPicture', 'u/ann/upWrite/20261201T005200Z-6332002f', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', 1735689597.567266);
INSERT INTO public.job VALUES ('797b2929-e8d9-49d7-8dbc-1fbf81848812', 9, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005210Z-797b2929', 'ann', 'QUEUED', '[["words", "unsent"]]', '{"words": "unsent"}', '5153a741febd80c040234db1204a11f30992ec9d3f99e668920128cc8f10c777', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 3, 3, 0, 0, 1735689599.5023692, 1735689599.5023692, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('57307f5d-0caf-4cc0-b463-55b81252f3c3', 5, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005141Z-57307f5d', 'ann', 'EXECUTING', '[["words", "running"]]', '{"words": "running"}', '77540f6e6f9c5c96e4b17f100939d057e4893dc8da236e800d9abc54674091f0', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 6, 6, 0, 0, 1735689570.568447, 1735689570.568447, 1735689573.2975361, NULL, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('6332002f-5d82-458d-931b-4512dc0ce6d2', 8, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005200Z-6332002f', 'ann', 'EXECUTING', '[["words", "delivering"]]', '{"words": "delivering"}', '33631bbc9a205f13a4df03389661e0c82fa74db7aa830ee84a046204892b61d3', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 2, 2, 0, 0, 1735689588.8208032, 1735689588.8208032, 1735689590.134084, NULL, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('dcca0552-0499-4202-bc67-b32a92f9081c', 6, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005148Z-dcca0552', 'ann', 'ABORTED', '[["words", "cancelled"]]', '{"words": "cancelled"}', '9c8a5ed87a70ee4b07786035d8df5be3a68eca1a4fdafe6f734141f60c161ee2', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 2, 0, 0, 2, 1735689576.852072, 1735689576.852072, NULL, 1735689577.374089, NULL, NULL, true, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('1438009c-b2e5-4322-860d-f1ea03bd73c4', 2, 'upFail', 'demo', 'demo', 'u/ann/upFail/20261201T005103Z-1438009c', 'ann', 'ERROR', '[["words", "failed"]]', '{"words": "failed"}', 'b060e47778fc0a9002dacd065e46cca7557ddfdc238c101ab273770a232e0d3e', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 1, 0, 1, 0, 1735689532.737376, 1735689532.737376, 1735689539.798965, 1735689540.385397, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('afe48307-509c-4e90-9aa3-6a49b6774702', 3, 'upNothing', 'demo', 'demo', 'u/ann/upNothing/20261201T005105Z-afe48307', 'ann', 'COMPLETED', '[["words", "nothing"]]', '{"words": "nothing"}', '6ab875fd4de4926c313382c50c36e9be9497c0be98db17345af344498d60fa6c', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 1, 0, 0, 0, 1735689533.988063, 1735689533.988063, 1735689540.663012, 1735689541.229378, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('15ce126f-8179-42c6-8861-eaab49fa1ad7', 1, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005057Z-15ce126f', 'ann', 'COMPLETED', '[["words", "finished"]]', '{"words": "finished"}', '9adf8cf6d25927bd7298a9d19fab568a6796cc18792652a614750d2b8b9afc2c', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 2, 0, 0, 0, 1735689528.892955, 1735689528.892955, 1735689533.568521, 1735689541.742854, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('62d56665-4f69-4b58-8ac7-66bcb8232c7e', 4, 'upDie', 'demo', 'demo', 'u/ann/upDie/20261201T005106Z-62d56665', 'ann', 'ERROR', '[["words", "held"]]', '{"words": "held"}', 'b2514088e3168af6aca61edf9c75648a2bbcad8ad87c42b7e32aa4688edaa6a7', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 1, 0, 1, 0, 1735689535.804431, 1735689535.804431, 1735689541.404974, 1735689542.7189271, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.job VALUES ('a3ec8b8e-5264-4c7f-9799-21c7691c5107', 7, 'upWrite', 'demo', 'demo', 'u/ann/upWrite/20261201T005150Z-a3ec8b8e', 'ann', 'COMPLETED', '[["words", "unannounced"]]', '{"words": "unannounced"}', '07d40e381a28f3d24f928e4bfb86ef6e9309aa569dfc13e3ab98e72d5a78a8dd', '{}', '{}', '["SIMCAM/raw", "SIMCAM/calib"]', 1, 0, 0, 0, 1735689578.6881812, 1735689578.6881812, 1735689583.207349, 1735689585.6777601, NULL, NULL, false, NULL, NULL, NULL);
INSERT INTO public.notice VALUES ('9058c397-99c5-545a-b049-90a618e795d3.1', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 'b141499f-85d0-448f-875a-3e433bf7c81b', '{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-b141499f-85d0-448f-875a-3e433bf7c81b.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 19, "checkSum": "611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4", "mimeType": "image/png", "id": "9058c397-99c5-545a-b049-90a618e795d3.1", "job": "a3ec8b8e-5264-4c7f-9799-21c7691c5107", "target": "b141499f-85d0-448f-875a-3e433bf7c81b", "dataset": "9058c397-99c5-545a-b049-90a618e795d3", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "sent_at": 1796086317.95}', 'SIMCAM.upWrite.upPicture', 1735689585.677659, NULL, NULL);
INSERT INTO public.notice VALUES ('bed786a2-35bb-5dad-8d43-fc22f00398bf.1', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', '{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-813e19bd-933d-4e15-93a3-50e58cbc3cd9.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 16, "checkSum": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f", "mimeType": "image/png", "id": "bed786a2-35bb-5dad-8d43-fc22f00398bf.1", "job": "15ce126f-8179-42c6-8861-eaab49fa1ad7", "target": "813e19bd-933d-4e15-93a3-50e58cbc3cd9", "dataset": "bed786a2-35bb-5dad-8d43-fc22f00398bf", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "sent_at": 1796086271.514}', 'SIMCAM.upWrite.upPicture', 1735689539.261687, NULL, 1735689539.680633);
INSERT INTO public.notice VALUES ('42a057f3-045e-5a11-951f-295204528f51.1', '15ce126f-8179-42c6-8861-eaab49fa1ad7', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', '{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-8adcdb87-5aa2-4b83-8140-14ac7d61362d.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 16, "checkSum": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f", "mimeType": "image/png", "id": "42a057f3-045e-5a11-951f-295204528f51.1", "job": "15ce126f-8179-42c6-8861-eaab49fa1ad7", "target": "8adcdb87-5aa2-4b83-8140-14ac7d61362d", "dataset": "42a057f3-045e-5a11-951f-295204528f51", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "sent_at": 1796086273.984}', 'SIMCAM.upWrite.upPicture', 1735689541.742764, NULL, 1735689542.108572);
INSERT INTO public.parked VALUES ('bb13c8be-ac49-4f16-a9f0-3610677855a2', 'cfee60868040ec57e6ec2e773359efaaa98862a93d34f20f6896e4cb5740567e', 'foreign', 'The message for ''upWrite'' has no ''underbutler'' header: Underbutler did not send it. Submit with `underbutler submit`.', '2942331b815d', 'reduce', 'upWrite', '{"lang": "py", "task": "upWrite", "id": "a065f6fe-6565-440e-8989-5353e7ff98a5", "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "a065f6fe-6565-440e-8989-5353e7ff98a5", "parent_id": null, "argsrepr": "(''not a data reference'',)", "kwargsrepr": "{}", "origin": "gen29608@obs1", "ignore_result": null, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}', '\x5b5b226e6f7420612064617461207265666572656e6365225d2c207b7d2c207b2263616c6c6261636b73223a206e756c6c2c20226572726261636b73223a206e756c6c2c2022636861696e223a206e756c6c2c202263686f7264223a206e756c6c7d5d', 'first@obs1', 1, 1735689544.925121, 1735689544.9251711, NULL);
INSERT INTO public.product VALUES ('1ae4eefa-e768-5a73-8b42-e522bd43de14', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upTable', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', false, NULL, 16, NULL, NULL, 'application/yaml', NULL);
INSERT INTO public.product VALUES ('4035dbd9-3be8-5285-9e22-60295f88b01f', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upWrite_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', false, NULL, 90, NULL, NULL, 'application/json', NULL);
INSERT INTO public.product VALUES ('e549d8a6-197a-56b9-904f-ec409daee0ee', '4f046148-0d7d-48c1-b560-4353afb139e6', 1, 'upFail_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 89, NULL, NULL, NULL, NULL);
INSERT INTO public.product VALUES ('7afb4ecb-dd97-56a2-b144-d32dae22ef0a', '2493ba7f-2df5-46a3-8ccf-a512bb571cee', 1, 'upNothing_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 92, NULL, NULL, NULL, NULL);
INSERT INTO public.product VALUES ('71b3d4b4-f867-5dfa-ba21-d2d2ebf8d156', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upTable', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 16, NULL, NULL, 'application/yaml', NULL);
INSERT INTO public.product VALUES ('10b2b27c-8864-55b1-8d29-794ab0b068b4', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upWrite_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 90, NULL, NULL, 'application/json', NULL);
INSERT INTO public.product VALUES ('07fd9419-4f9e-51f3-8468-5e8a36e8e3e6', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upTable', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 19, NULL, NULL, 'application/yaml', NULL);
INSERT INTO public.product VALUES ('d60ad279-59cc-58eb-affd-c63ddc726e33', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upWrite_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 90, NULL, NULL, 'application/json', NULL);
INSERT INTO public.product VALUES ('51d0a2c4-8117-5d9e-9b9b-e2b72a129749', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upTable', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 18, NULL, NULL, 'application/yaml', NULL);
INSERT INTO public.product VALUES ('d0db13bb-d957-59a5-a6e2-795344ebead2', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upPicture', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', true, NULL, 18, NULL, NULL, 'image/png', NULL);
INSERT INTO public.product VALUES ('782bdd89-e414-59e0-b003-9a0e98a02d16', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 'upWrite_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', false, NULL, 90, NULL, NULL, 'application/json', NULL);
INSERT INTO public.product VALUES ('4c23cddb-8944-5f46-ac28-9e403b6b9704', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upTable', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', false, NULL, 18, NULL, NULL, 'application/yaml', NULL);
INSERT INTO public.product VALUES ('ffa96df3-4877-5ccf-9fc2-97dcf0d46c3b', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upPicture', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', true, NULL, 18, NULL, NULL, 'image/png', NULL);
INSERT INTO public.product VALUES ('212de9c1-36b7-575d-9b81-03664bee6132', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 'upWrite_metadata', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', false, NULL, 90, NULL, NULL, 'application/json', NULL);
INSERT INTO public.product VALUES ('bed786a2-35bb-5dad-8d43-fc22f00398bf', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 'upPicture', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', true, 's3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-813e19bd-933d-4e15-93a3-50e58cbc3cd9.1.png', 16, 'fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f', '49b7f724ec112c270aa3265ab31c468d', 'image/png', 1735689539.261687);
INSERT INTO public.product VALUES ('42a057f3-045e-5a11-951f-295204528f51', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 'upPicture', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', true, 's3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-8adcdb87-5aa2-4b83-8140-14ac7d61362d.1.png', 16, 'fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f', '49b7f724ec112c270aa3265ab31c468d', 'image/png', 1735689541.742764);
INSERT INTO public.product VALUES ('9058c397-99c5-545a-b049-90a618e795d3', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 'upPicture', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', true, 's3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-b141499f-85d0-448f-875a-3e433bf7c81b.1.png', 19, '611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4', 'f40319ba0d8298b323ad8f75377a86ad', 'image/png', 1735689585.677659);
INSERT INTO public.schedule VALUES ('0b678e35-6d43-56f7-899b-9011e470d521', 'nightly', '{"name": "nightly", "when": {"every": 600}, "task": "upWrite", "repo": "demo", "id": {"instrument": "SIMCAM", "detector": 0}, "query": "exposure < 2026112000003", "config": {"words": "fired"}, "options": ["--no-versions"]}', 1735690067.696186, 1735689599.626298, true, 'schedules.toml', NULL, 1735689599.772932, 'ann', NULL, NULL);
INSERT INTO public.target VALUES ('2493ba7f-2df5-46a3-8ccf-a512bb571cee', 'afe48307-509c-4e90-9aa3-6a49b6774702', 0, 'no_work', 'upNothing', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upNothing/20261201T005105Z-afe48307", "universe": ["daf_butler", 8]}, {}]', 'bc4b25c923bcb8bd36a545a9699cad60292ca0625f10b6599c1c7e9af8290e84', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689533.988063, 1, 1735689534.157162, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 1735689540.663012, 1735689541.229291, 0, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('813e19bd-933d-4e15-93a3-50e58cbc3cd9', '15ce126f-8179-42c6-8861-eaab49fa1ad7', 1, 'done', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005057Z-15ce126f", "universe": ["daf_butler", 8]}, {}]', 'b421146ff3f34f59bf09402bf82b9c144b162d38cf699a24b04de233b751aede', 'detector=0 exposure=2026112000002 instrument=''SIMCAM''', '', 1735689528.892955, 1, 1735689530.81334, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 1735689533.568521, 1735689539.261687, 0, NULL, NULL, 1.693, '{}', false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('a9487e37-377f-43b8-b585-c809c4b2eb80', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 4, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000005}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000005}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', 'a406f407facb14407eca08ed9d0e1ce08a37f0bbd1c9b175814a4235808177ef', 'detector=0 exposure=2026112000005 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.8687022, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('f96cf327-aa22-46b9-8c15-075d9cd29c41', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 3, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000004}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000004}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', 'ae68c86dfcec1abe689b8021e95e7b2fd3d3a2837fb3e4c767435272ec3285a7', 'detector=0 exposure=2026112000004 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.8687181, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('d59eeb16-eca9-4cd6-8dcd-5df8734c19d8', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 1, 'running', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', '1f12ab821e2133472bd38270d3f3e67e1756f663d23b0689b2c5fa317c48ed46', 'detector=0 exposure=2026112000002 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.86873, NULL, 1, 0, 0, 0, NULL, 1735689577.51182, 'second@obs1/b35a6291', 30781, 1735689573.511822, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('d3681c27-0ed7-4517-8ae0-6fba95de7cb8', '797b2929-e8d9-49d7-8dbc-1fbf81848812', 0, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005210Z-797b2929", "universe": ["daf_butler", 8]}, {}]', 'b369aa7bc9ce896578515e1bca9f8b5a1bc57019d911cbe28748247c5787bbfc', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689599.5023692, 0, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('a26b31b4-2667-4ced-a8aa-39117e49d996', '797b2929-e8d9-49d7-8dbc-1fbf81848812', 1, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005210Z-797b2929", "universe": ["daf_butler", 8]}, {}]', '45e4cba3aafdba349bd292871a3413da597149aa563aa009639ed9189fd49beb', 'detector=0 exposure=2026112000002 instrument=''SIMCAM''', '', 1735689599.5023692, 0, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('b123b59e-b9b9-48f6-a955-1691120fc58a', '797b2929-e8d9-49d7-8dbc-1fbf81848812', 2, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005210Z-797b2929", "universe": ["daf_butler", 8]}, {}]', '59031e7c93d155ef7308d77ecbfaf4262f26de1d038eae34c9058f7073664a10', 'detector=0 exposure=2026112000003 instrument=''SIMCAM''', '', 1735689599.5023692, 0, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('9564d9d0-7eb0-4935-a126-31fd59714f3a', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 5, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000006}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000006}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', 'b68393d22422848546a20e5143838ebf7a85efbf2f751c9e55ccaaa76237a9fc', 'detector=0 exposure=2026112000006 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.86874, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('1f62dd80-697c-4d50-b5a8-762d5bddacc1', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 2, 'queued', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', '3b28f1d2a556accbdfecddbb56be0428443730d742fc447c399c847c7a311711', 'detector=0 exposure=2026112000003 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.868819, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('3953663d-d05b-4a17-a0e8-34bfa7642515', '6332002f-5d82-458d-931b-4512dc0ce6d2', 0, 'delivering', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005200Z-6332002f", "universe": ["daf_butler", 8]}, {}]', '6acceefe56c24ef534e89faee1e917b62a997da5e1902977b8c7054ef8826618', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689597.347913, 1, NULL, NULL, 1, 0, 0, 0, 1735689597.6644268, NULL, NULL, NULL, 1735689590.134084, NULL, NULL, NULL, NULL, 0.633, '{}', false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('8434790d-a2b9-454f-bd5e-0ed7a11262f9', '6332002f-5d82-458d-931b-4512dc0ce6d2', 1, 'delivering', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005200Z-6332002f", "universe": ["daf_butler", 8]}, {}]', '5d114394b0155b05242d9aa85fd57ac3824f716987830a9576624c47b3e68173', 'detector=0 exposure=2026112000002 instrument=''SIMCAM''', '', 1735689598.396589, 1, NULL, NULL, 1, 0, 0, 0, 1735689598.6627834, NULL, NULL, NULL, 1735689597.4777122, NULL, NULL, NULL, NULL, 0.772, '{}', false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('4ee9d9f4-581f-4f38-aae4-4c803a45edce', '57307f5d-0caf-4cc0-b463-55b81252f3c3', 0, 'running', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005141Z-57307f5d", "universe": ["daf_butler", 8]}, {}]', '4317a75f18ab68a671005fdb704130fd14ffea97d49b9fc09ba8e8626f2d9725', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689570.568447, 1, 1735689570.868623, NULL, 1, 0, 0, 0, NULL, 1735689577.2975352, 'second@obs1/b35a6291', 30734, 1735689573.2975361, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('4f046148-0d7d-48c1-b560-4353afb139e6', '1438009c-b2e5-4322-860d-f1ea03bd73c4', 0, 'failed', 'upFail', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upFail/20261201T005103Z-1438009c", "universe": ["daf_butler", 8]}, {}]', '2e5016e942488f3e250f2055008047f31e1db9d680f8edbcb720b546489417f9', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689532.737376, 1, 1735689532.855174, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 1735689539.798965, 1735689540.385314, 1, 'ArithmeticError', 'this exposure cannot be reduced', 0.529, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('ace9f5fd-d9af-4311-b586-46d2e251ffc3', 'dcca0552-0499-4202-bc67-b32a92f9081c', 0, 'aborted', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005148Z-dcca0552", "universe": ["daf_butler", 8]}, {}]', 'ad505e2c810848266d60be888c8469e38d9704691d8f6fa0a84de9ccbf219d4d', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689576.852072, 1, 1735689577.204569, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 1735689577.3409162, NULL, NULL, NULL, NULL, NULL, true, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('da0518bc-c2f9-4564-a2f1-a09aa1965201', 'dcca0552-0499-4202-bc67-b32a92f9081c', 1, 'aborted', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005148Z-dcca0552", "universe": ["daf_butler", 8]}, {}]', '8f7b129b016d3cfa5015db8a8902d83e3d08545ad3e888ccf1880e60fca8a5ed', 'detector=0 exposure=2026112000002 instrument=''SIMCAM''', '', 1735689576.852072, 1, 1735689577.204638, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 1735689577.341005, NULL, NULL, NULL, NULL, NULL, true, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('8adcdb87-5aa2-4b83-8140-14ac7d61362d', '15ce126f-8179-42c6-8861-eaab49fa1ad7', 0, 'done', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005057Z-15ce126f", "universe": ["daf_butler", 8]}, {}]', '5eda2f4460c1da778eb2498ce475e732a3075b7025df84b06a99070c71d49de0', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689528.892955, 1, 1735689530.813182, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 1735689535.9067512, 1735689541.742764, 0, NULL, NULL, 2.157, '{}', false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.target VALUES ('424ffe19-ade9-4b98-84b1-1191c63154dd', '62d56665-4f69-4b58-8ac7-66bcb8232c7e', 0, 'held', 'upDie', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upDie/20261201T005106Z-62d56665", "universe": ["daf_butler", 8]}, {}]', '8466e40391048f6daa5ab17365657cd264f9eb6a196323ab47b21d1a2596876b', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689535.804431, 1, 1735689536.200628, NULL, 1, 1, 0, 0, NULL, NULL, NULL, NULL, 1735689541.404974, 1735689542.676523, NULL, 'Held', 'claim 1 by first@obs1/e3ad703f died: its process 30467 died: signal 9 (SIGKILL)', NULL, NULL, false, NULL, NULL, NULL, NULL, '723c470475cd', NULL);
INSERT INTO public.target VALUES ('b141499f-85d0-448f-875a-3e433bf7c81b', 'a3ec8b8e-5264-4c7f-9799-21c7691c5107', 0, 'done', 'upWrite', 'reduce', '{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}', '[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T005150Z-a3ec8b8e", "universe": ["daf_butler", 8]}, {}]', '29a2daafc7a7b988537749d84cbd867968b64e02dd2e9137da6882052e3491ac', 'detector=0 exposure=2026112000001 instrument=''SIMCAM''', '', 1735689578.6881812, 1, 1735689578.9327571, NULL, 1, 0, 0, 0, NULL, NULL, NULL, NULL, 1735689583.207349, 1735689585.677659, 0, NULL, NULL, 1.351, '{}', false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.underbutler_revision VALUES ('0004');
INSERT INTO public.upload VALUES ('rubinobs-lfa-upgrade-simcam', '2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-813e19bd-933d-4e15-93a3-50e58cbc3cd9.1.png', '813e19bd-933d-4e15-93a3-50e58cbc3cd9', 1, 1735689535.3285801, NULL);
INSERT INTO public.upload VALUES ('rubinobs-lfa-upgrade-simcam', '2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-8adcdb87-5aa2-4b83-8140-14ac7d61362d.1.png', '8adcdb87-5aa2-4b83-8140-14ac7d61362d', 1, 1735689538.157046, NULL);
INSERT INTO public.upload VALUES ('rubinobs-lfa-upgrade-simcam', '2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-b141499f-85d0-448f-875a-3e433bf7c81b.1.png', 'b141499f-85d0-448f-875a-3e433bf7c81b', 1, 1735689584.5931752, NULL);
INSERT INTO public.upload VALUES ('rubinobs-lfa-upgrade-simcam', '2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-3953663d-d05b-4a17-a0e8-34bfa7642515.1.png', '3953663d-d05b-4a17-a0e8-34bfa7642515', 1, 1735689590.7888901, NULL);
INSERT INTO public.upload VALUES ('rubinobs-lfa-upgrade-simcam', '2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-8434790d-a2b9-454f-bd5e-0ed7a11262f9.1.png', '8434790d-a2b9-454f-bd5e-0ed7a11262f9', 1, 1735689598.276881, NULL);
INSERT INTO public.worker VALUES ('first@obs1/e3ad703f', 'first@obs1', 'obs1', 30201, 30459, 'reduce', 2, 1735689525.604388, 1735689544.7544081, NULL, NULL, NULL);
INSERT INTO public.worker VALUES ('second@obs1/b35a6291', 'second@obs1', 'obs1', 30615, 30731, 'reduce', 2, 1735689573.229597, 1735689573.22964, NULL, NULL, NULL);
ALTER TABLE ONLY public.annex_decision
    ADD CONSTRAINT pk_annex_decision PRIMARY KEY (job_id, dataset_type);
ALTER TABLE ONLY public.breaker
    ADD CONSTRAINT pk_breaker PRIMARY KEY (label);
ALTER TABLE ONLY public.catalog_data_id
    ADD CONSTRAINT pk_catalog_data_id PRIMARY KEY (run_uid, dimension, ordinal);
ALTER TABLE ONLY public.catalog_dataset
    ADD CONSTRAINT pk_catalog_dataset PRIMARY KEY (uid);
ALTER TABLE ONLY public.catalog_datum
    ADD CONSTRAINT pk_catalog_datum PRIMARY KEY (run_uid, datum_id);
ALTER TABLE ONLY public.catalog_descriptor
    ADD CONSTRAINT pk_catalog_descriptor PRIMARY KEY (uid);
ALTER TABLE ONLY public.catalog_event
    ADD CONSTRAINT pk_catalog_event PRIMARY KEY (uid);
ALTER TABLE ONLY public.catalog_page
    ADD CONSTRAINT pk_catalog_page PRIMARY KEY (descriptor_uid, ordinal);
ALTER TABLE ONLY public.catalog_resource
    ADD CONSTRAINT pk_catalog_resource PRIMARY KEY (run_uid, uid);
ALTER TABLE ONLY public.catalog_run
    ADD CONSTRAINT pk_catalog_run PRIMARY KEY (uid);
ALTER TABLE ONLY public.catalog_stream
    ADD CONSTRAINT pk_catalog_stream PRIMARY KEY (run_uid, name);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT pk_claim PRIMARY KEY (target_id, claim_no);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT pk_firing PRIMARY KEY (job_id);
ALTER TABLE ONLY public.intent
    ADD CONSTRAINT pk_intent PRIMARY KEY (dataset_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT pk_notice PRIMARY KEY (id);
ALTER TABLE ONLY public.parked
    ADD CONSTRAINT pk_parked PRIMARY KEY (id);
ALTER TABLE ONLY public.product
    ADD CONSTRAINT pk_product PRIMARY KEY (dataset_id);
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT pk_schedule PRIMARY KEY (id);
ALTER TABLE ONLY public.submission
    ADD CONSTRAINT pk_submission PRIMARY KEY (job_id);
ALTER TABLE ONLY public.sweep_state
    ADD CONSTRAINT pk_sweep_state PRIMARY KEY (name);
ALTER TABLE ONLY public.target
    ADD CONSTRAINT pk_target PRIMARY KEY (id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT pk_token PRIMARY KEY (handle);
ALTER TABLE ONLY public.upload
    ADD CONSTRAINT pk_upload PRIMARY KEY (bucket, key);
ALTER TABLE ONLY public.worker
    ADD CONSTRAINT pk_worker PRIMARY KEY (id);
ALTER TABLE ONLY public.underbutler_revision
    ADD CONSTRAINT underbutler_revision_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT uq_firing_schedule_id UNIQUE (schedule_id, due_at);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT uq_job_scan_id UNIQUE (scan_id);
ALTER TABLE ONLY public.parked
    ADD CONSTRAINT uq_parked_digest UNIQUE (digest);
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT uq_schedule_name UNIQUE (name);
CREATE INDEX ix_catalog_data_id_dimension_gap_run_uid ON public.catalog_data_id USING btree (dimension, gap, run_uid) WHERE (gap IS NOT NULL);
CREATE INDEX ix_catalog_data_id_dimension_number_run_uid ON public.catalog_data_id USING btree (dimension, number, run_uid) WHERE (number IS NOT NULL);
CREATE INDEX ix_catalog_data_id_dimension_word_run_uid ON public.catalog_data_id USING btree (dimension, word, run_uid) WHERE (word IS NOT NULL);
CREATE INDEX ix_catalog_dataset_run_uid_event_uid ON public.catalog_dataset USING btree (run_uid, event_uid);
CREATE INDEX ix_catalog_datum_run_uid_resource_uid ON public.catalog_datum USING btree (run_uid, resource_uid);
CREATE INDEX ix_catalog_descriptor_run_uid_time ON public.catalog_descriptor USING btree (run_uid, "time");
CREATE INDEX ix_catalog_event_descriptor_uid_seq_num_time_uid ON public.catalog_event USING btree (descriptor_uid, seq_num, "time", uid);
CREATE INDEX ix_catalog_resource_uid ON public.catalog_resource USING btree (uid);
CREATE INDEX ix_catalog_run_exit_status_time_uid ON public.catalog_run USING btree (exit_status, "time", uid);
CREATE INDEX ix_catalog_run_label_time_uid ON public.catalog_run USING btree (label, "time", uid);
CREATE INDEX ix_catalog_run_odd ON public.catalog_run USING btree (uid) WHERE odd;
CREATE INDEX ix_catalog_run_owner_time_uid ON public.catalog_run USING btree (owner, "time", uid);
CREATE INDEX ix_catalog_run_scan_id_time_uid ON public.catalog_run USING btree (scan_id, "time", uid);
CREATE INDEX ix_catalog_run_task_exit_status_time_uid ON public.catalog_run USING btree (task, exit_status, "time", uid);
CREATE INDEX ix_catalog_run_task_time_uid ON public.catalog_run USING btree (task, "time", uid);
CREATE INDEX ix_catalog_run_time_uid ON public.catalog_run USING btree ("time", uid);
CREATE INDEX ix_catalog_run_unpacked ON public.catalog_run USING btree (uid) WHERE ((packed_at IS NULL) AND (stop_time IS NOT NULL));
CREATE INDEX ix_claim_expired ON public.claim USING btree (ended_at) WHERE (("end")::text = 'expired'::text);
CREATE INDEX ix_firing_open ON public.firing USING btree (lane, due_at) WHERE (ended_at IS NULL);
CREATE INDEX ix_intent_target_id_claim_no ON public.intent USING btree (target_id, claim_no);
CREATE INDEX ix_job_destruction_at ON public.job USING btree (destruction_at);
CREATE INDEX ix_job_parent_id ON public.job USING btree (parent_id);
CREATE INDEX ix_job_phase ON public.job USING btree (phase);
CREATE INDEX ix_notice_job_id ON public.notice USING btree (job_id);
CREATE INDEX ix_notice_unsent ON public.notice USING btree (created_at) WHERE (sent_at IS NULL);
CREATE INDEX ix_parked_fingerprint ON public.parked USING btree (fingerprint);
CREATE INDEX ix_product_target_id ON public.product USING btree (target_id);
CREATE INDEX ix_schedule_next_due ON public.schedule USING btree (next_due);
CREATE INDEX ix_target_held ON public.target USING btree (fingerprint) WHERE ((state)::text = 'held'::text);
CREATE UNIQUE INDEX ix_target_job_id_ordinal ON public.target USING btree (job_id, ordinal);
CREATE INDEX ix_target_job_id_state ON public.target USING btree (job_id, state);
CREATE INDEX ix_target_leased ON public.target USING btree (lease_until) WHERE (lease_until IS NOT NULL);
CREATE INDEX ix_target_sent ON public.target USING btree (queue, sent_at) WHERE (((state)::text = ANY ((ARRAY['queued'::character varying, 'delivering'::character varying])::text[])) AND (lease_until IS NULL) AND (sent_at IS NOT NULL));
CREATE INDEX ix_target_unchecked ON public.target USING btree (ended_at) WHERE ((ended_at IS NOT NULL) AND (checked_at IS NULL));
CREATE INDEX ix_target_unsent ON public.target USING btree (queued_at, ordinal) WHERE (((state)::text = ANY ((ARRAY['queued'::character varying, 'delivering'::character varying])::text[])) AND (lease_until IS NULL) AND (sent_at IS NULL));
CREATE INDEX ix_upload_target_id_claim_no ON public.upload USING btree (target_id, claim_no);
ALTER TABLE ONLY public.annex_decision
    ADD CONSTRAINT fk_annex_decision_job_id FOREIGN KEY (job_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.catalog_data_id
    ADD CONSTRAINT fk_catalog_data_id_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.catalog_dataset
    ADD CONSTRAINT fk_catalog_dataset_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.catalog_datum
    ADD CONSTRAINT fk_catalog_datum_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.catalog_descriptor
    ADD CONSTRAINT fk_catalog_descriptor_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.catalog_event
    ADD CONSTRAINT fk_catalog_event_descriptor_uid FOREIGN KEY (descriptor_uid) REFERENCES public.catalog_descriptor(uid);
ALTER TABLE ONLY public.catalog_page
    ADD CONSTRAINT fk_catalog_page_descriptor_uid FOREIGN KEY (descriptor_uid) REFERENCES public.catalog_descriptor(uid);
ALTER TABLE ONLY public.catalog_resource
    ADD CONSTRAINT fk_catalog_resource_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.catalog_stream
    ADD CONSTRAINT fk_catalog_stream_run_uid FOREIGN KEY (run_uid) REFERENCES public.catalog_run(uid);
ALTER TABLE ONLY public.claim
    ADD CONSTRAINT fk_claim_target_id FOREIGN KEY (target_id) REFERENCES public.target(id);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT fk_firing_schedule_id FOREIGN KEY (schedule_id) REFERENCES public.schedule(id);
ALTER TABLE ONLY public.intent
    ADD CONSTRAINT fk_intent_target_id FOREIGN KEY (target_id) REFERENCES public.target(id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT fk_job_parent_id FOREIGN KEY (parent_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT fk_notice_job_id FOREIGN KEY (job_id) REFERENCES public.job(id);
ALTER TABLE ONLY public.notice
    ADD CONSTRAINT fk_notice_target_id FOREIGN KEY (target_id) REFERENCES public.target(id);
ALTER TABLE ONLY public.product
    ADD CONSTRAINT fk_product_target_id FOREIGN KEY (target_id) REFERENCES public.target(id);
ALTER TABLE ONLY public.target
    ADD CONSTRAINT fk_target_job_id FOREIGN KEY (job_id) REFERENCES public.job(id) DEFERRABLE INITIALLY DEFERRED;
