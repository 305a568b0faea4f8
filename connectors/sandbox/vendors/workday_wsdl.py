"""A WSDL of our own for what the twin takes: the names and types of Human_Resources v26.1, answers left open."""

from __future__ import annotations

WD = "urn:com.workday/bsvc"
SCALARS = {
    "text": "xsd:string",
    "bool": "xsd:boolean",
    "day": "xsd:date",
    "time": "xsd:dateTime",
    "count": "xsd:decimal",
}
TYPES = {
    "Server_Timestamp_GetType": "@wd:version",
    "Get_Workers_RequestType": "Request_References:Worker_Request_ReferencesType? "
    "Request_Criteria:Worker_Request_CriteriaType? Response_Filter:Response_FilterType? "
    "Response_Group:Worker_Response_GroupType? @wd:version",
    "Worker_Request_ReferencesType": "Worker_Reference:WorkerObjectType+ @Skip_Non_Existing_Instances:bool",
    "Worker_Request_CriteriaType": "Transaction_Log_Criteria_Data:Transaction_Log_CriteriaType* "
    "Exclude_Inactive_Workers:bool? Exclude_Employees:bool? Exclude_Contingent_Workers:bool?",
    "Transaction_Log_CriteriaType": "Transaction_Date_Range_Data:Effective_And_Updated_DateTime_DataType?",
    "Effective_And_Updated_DateTime_DataType": "Updated_From:time? Updated_Through:time? Effective_From:time? "
    "Effective_Through:time?",
    "Response_FilterType": "As_Of_Effective_Date:day? As_Of_Entry_DateTime:time? Page:count? Count:count?",
    "Worker_Response_GroupType": "Include_Reference:bool? Include_Personal_Information:bool? "
    "Include_Employment_Information:bool? Include_Organizations:bool? Exclude_Organization_Support_Role_Data:bool? "
    "Exclude_Location_Hierarchies:bool? Exclude_Cost_Center_Hierarchies:bool? Exclude_Company_Hierarchies:bool? "
    "Exclude_Matrix_Organizations:bool? Exclude_Pay_Groups:bool? Exclude_Regions:bool? "
    "Exclude_Region_Hierarchies:bool?",
    "WorkerObjectType": "ID:IDType* @Descriptor:text",
    "TypeObjectType": "ID:IDType* @Descriptor:text",
    "Maintain_Contact_Information_for_Person_Event_RequestType": "Business_Process_Parameters:"
    "Business_Process_ParametersType? Maintain_Contact_Information_Data:Contact_Information_for_Person_Event_DataType? "
    "@Add_Only:bool @wd:version",
    "Business_Process_ParametersType": "Auto_Complete:bool? Run_Now:bool?",
    "Contact_Information_for_Person_Event_DataType": "Worker_Reference:WorkerObjectType Effective_Date:day? "
    "Worker_Contact_Information_Data:Contact_Information_DataType",
    "Contact_Information_DataType": "Email_Address_Data:Email_Address_Information_DataType*",
    "Email_Address_Information_DataType": "Email_Address:text Email_Comment:text? "
    "Usage_Data:Communication_Method_Usage_Information_DataType+",
    "Communication_Method_Usage_Information_DataType": "Type_Data:Communication_Usage_TypeType+ @Public:bool",
    "Communication_Usage_TypeType": "Type_Reference:TypeObjectType @Primary:bool",
}
"""Type -> its elements (`?` may be absent, `*` any number, `+` at least one) and attributes (`@`)."""
ANSWERS = ("Server_Timestamp", "Get_Workers_Response", "Maintain_Contact_Information_for_Person_Event_Response")
OPERATIONS = {
    "Get_Server_Timestamp": ("Server_Timestamp_Get", "Server_Timestamp"),
    "Get_Workers": ("Get_Workers_Request", "Get_Workers_Response"),
    "Maintain_Contact_Information": (
        "Maintain_Contact_Information_for_Person_Event_Request",
        "Maintain_Contact_Information_for_Person_Event_Response",
    ),
}
TIMES = {"?": 'minOccurs="0"', "*": 'minOccurs="0" maxOccurs="unbounded"', "+": 'maxOccurs="unbounded"'}


def wsdl(address: str) -> bytes:
    """The document, with the service at this address."""
    schema = "".join([*map(complex_type, TYPES), *map(element, OPERATIONS), *map(answer, ANSWERS)])
    messages = "".join(message(name) for pair in OPERATIONS.values() for name in pair)
    ports = "".join(port(name, *pair) for name, pair in OPERATIONS.items())
    bound = "".join(map(binding, OPERATIONS))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:wd="{WD}" xmlns:hr="{WD}/Human_Resources"
 targetNamespace="{WD}/Human_Resources" name="Human_Resources">
<wsdl:types><xsd:schema elementFormDefault="qualified" attributeFormDefault="qualified" targetNamespace="{WD}">
<xsd:attribute name="version" type="xsd:string"/>
<xsd:complexType name="IDType"><xsd:simpleContent><xsd:extension base="xsd:string">
<xsd:attribute name="type" type="xsd:string" use="required"/></xsd:extension></xsd:simpleContent></xsd:complexType>
{schema}</xsd:schema></wsdl:types>
{messages}<wsdl:portType name="Human_ResourcesPort">{ports}</wsdl:portType>
<wsdl:binding name="Human_ResourcesBinding" type="hr:Human_ResourcesPort">
<soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>{bound}</wsdl:binding>
<wsdl:service name="Human_ResourcesService"><wsdl:port name="Human_Resources" binding="hr:Human_ResourcesBinding">
<soap:address location="{address}"/></wsdl:port></wsdl:service></wsdl:definitions>""".encode()


def complex_type(name: str) -> str:
    parts = TYPES[name].split()
    inner = "".join(map(part, [each for each in parts if not each.startswith("@")]))
    own = "".join(map(attribute, [each[1:] for each in parts if each.startswith("@")]))
    return f'<xsd:complexType name="{name}"><xsd:sequence>{inner}</xsd:sequence>{own}</xsd:complexType>\n'


def part(text: str) -> str:
    times = TIMES.get(text[-1], "")
    name, _, kind = text.rstrip("?*+").partition(":")
    return f'<xsd:element name="{name}" type="{SCALARS.get(kind, "wd:" + kind)}" {times}/>'


def attribute(text: str) -> str:
    name, _, kind = text.rpartition(":")
    return (
        '<xsd:attribute ref="wd:version"/>'
        if text == "wd:version"
        else (f'<xsd:attribute name="{name}" type="{SCALARS[kind]}"/>')
    )


def element(operation: str) -> str:
    asked = OPERATIONS[operation][0]
    return f'<xsd:element name="{asked}" type="wd:{asked}Type"/>\n'


def answer(name: str) -> str:
    anything = '<xsd:any processContents="skip" minOccurs="0" maxOccurs="unbounded"/>'
    inner = f"<xsd:complexType><xsd:sequence>{anything}</xsd:sequence></xsd:complexType>"
    return f'<xsd:element name="{name}">{inner}</xsd:element>'


def message(name: str) -> str:
    return f'<wsdl:message name="{name}Msg"><wsdl:part name="body" element="wd:{name}"/></wsdl:message>\n'


def port(name: str, asked: str, answered: str) -> str:
    inner = f'<wsdl:input message="hr:{asked}Msg"/><wsdl:output message="hr:{answered}Msg"/>'
    return f'<wsdl:operation name="{name}">{inner}</wsdl:operation>\n'


def binding(name: str) -> str:
    body = '<soap:body use="literal"/>'
    inner = f"<wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output>"
    return f'<wsdl:operation name="{name}"><soap:operation style="document"/>{inner}</wsdl:operation>\n'
